"""Stage 2, `python -m darkroom_mini.train_diffusion`: the UNet and the text encoder, together, on encoded scenes.

The noise prediction of Stable Diffusion 1.x (scaled-linear betas, 1,000 timesteps) with the prompt dropped in some
of the samples, the loss weighted by min-SNR (Hang et al., 2023). A little noise that is constant over each channel is
added to the training noise, so that the model takes a wrong overall tone, such as strong guidance gives, for noise.
The stage may be spread over several runs: `--total` says how long all of them take, `--state` keeps what the next
one needs.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from .architecture import scheduler
from .latents import encode_scenes, load_icons, tokenize
from .sampling import decode, sample
from .scene import Renderer, SceneSampler
from .tokenizer import train_tokenizer
from .train_vae import save_grid
from .training import (
    Average,
    Clock,
    Log,
    architecture,
    autocast,
    compiled,
    configuration,
    load_models,
    options,
    save_models,
    setup,
)
from .vocabulary import corpus

LOOK = (
    "a red apple on a teal background, flat icon",
    "a guitar on a pink background, glossy icon",
    "a cup of coffee on a blue background",
    "a soccer ball on an orange background, flat icon",
    "a rocket, purple background, glossy icon",
    "product photo of a camera on a yellow background, flat icon",
    "a hamburger on a light blue background, glossy icon",
    "a bicycle on a green background, flat icon",
    "an umbrella against a gray backdrop, glossy icon",
    "a teddy bear on a white background",
    "a pair of scissors on a brown background, flat icon",
    "a crown on a black background, glossy icon",
    "a banana and a red car on a purple background, flat icon",
    "a hammer next to a key on a red background, glossy icon",
    "an alarm clock on a teal background, glossy icon",
    "a laptop on a pink background, flat icon",
)


def main() -> None:
    parser = options("train_diffusion", __doc__)
    parser.add_argument("--vae", type=Path, required=True, help="folder with the weights of stage 1, or of this one")
    parser.add_argument("--state", type=Path, required=True, help="file that a later run continues from")
    parser.add_argument("--resume", type=Path, help="averaged weights to continue from where there is no --state yet")
    parser.add_argument("--seconds", type=float, required=True, help="duration of this run")
    parser.add_argument("--total", type=float, required=True, help="duration of all runs")
    parser.add_argument("--before", type=float, default=0, help="with --resume: duration of the runs before")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)

    config = configuration(arguments.config)
    stage = config["diffusion"]
    state = torch.load(arguments.state, weights_only=True) if arguments.state.exists() else None
    before = state["spent"] if state else arguments.before
    clock = Clock(arguments.seconds, arguments.total, before)
    device = setup(config["seed"] + int(before))
    generator = torch.Generator(device).manual_seed(config["seed"] + int(before))

    shape = architecture(config)
    tokenizer = train_tokenizer(corpus(), config["tokens"])
    vae = shape.vae().to(device, memory_format=torch.channels_last)
    extra = load_models(arguments.vae, {"vae": vae})
    vae.register_to_config(scaling_factor=float(extra["scaling_factor"]))
    unet = shape.unet().to(device, memory_format=torch.channels_last).train()
    text = shape.text_encoder(tokenizer).to(device).train()
    if arguments.resume and not state:
        load_models(arguments.resume, {"unet": unet, "text": text})
    optimizer = torch.optim.AdamW(
        [{"params": unet.parameters(), "peak": stage["rate"]}, {"params": text.parameters(), "peak": stage["textRate"]}],
        lr=0,
        betas=(0.9, 0.99),
        weight_decay=stage["weightDecay"],
        fused=device == "cuda",
    )
    average = Average([unet, text], stage["ema"])
    first = step = 0
    if state:
        unet.load_state_dict(state["unet"])
        text.load_state_dict(state["text"])
        optimizer.load_state_dict(state["optimizer"])
        average.values = [v.to(device) for v in state["average"]]
        first = step = state["step"]
    elif arguments.resume:
        step = 10_000  # the average is mature already
    log = Log(arguments.out / "losses.json", "diffusion")

    latents, tokens = encode_scenes(
        vae,
        Renderer(load_icons(arguments.icons, device)),
        SceneSampler(device, "seen"),
        tokenizer,
        config["latents"]["images"],
        config["seed"] + 1 + int(before),
        device,
        config["latents"]["doubles"],
    )
    empty = tokenize(tokenizer, [""]).to(device)
    print(f"latents={tuple(latents.shape)} deviation={latents[:4096].float().std():.3f} seconds={clock.elapsed:.1f}", flush=True)

    alphas = scheduler().alphas_cumprod.to(device)
    ratio = alphas / (1 - alphas)
    weights = (ratio.clamp(max=stage["snrGamma"]) / ratio).float()
    denoise = compiled(unet, device)
    batch = stage["batch"]

    def integers(high: int) -> torch.Tensor:
        return torch.randint(high, (batch,), generator=generator, device=device)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, device=device)

    run_step, window = 0, torch.zeros((), device=device)
    since = clock.elapsed
    good = [p.detach().clone() for p in average.values]
    while run_step == 0 or not clock.over:
        factor = clock.rate(run_step, stage["warmup"] if step < 1000 else 100)
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * factor
        index = integers(len(latents))
        clean = latents[index].float()
        noise = normal(*clean.shape) + stage["offsetNoise"] * normal(batch, 4, 1, 1)
        t = integers(len(alphas))
        alpha = alphas[t][:, None, None, None]
        noisy = (alpha.sqrt() * clean + (1 - alpha).sqrt() * noise).contiguous(memory_format=torch.channels_last)
        dropped = torch.rand(batch, generator=generator, device=device) < stage["promptDropout"]
        ids = torch.where(dropped[:, None], empty, tokens[index]).long()
        with autocast(device):
            embeddings = text(ids)[0]
            predicted = denoise(noisy, t, embeddings, return_dict=False)[0]
        error = (predicted.float() - noise).square().mean((1, 2, 3))
        loss = (weights[t] * error).mean()
        loss.backward()
        norm = nn.utils.clip_grad_norm_([*unet.parameters(), *text.parameters()], 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        average.update(step)
        window += loss.detach()
        step += 1
        run_step += 1
        if run_step == 1:
            print(f"first step after {clock.elapsed:.1f} s", flush=True)
            since = clock.elapsed
        if run_step % 250 == 0:
            mean = float(window) / 250
            speed = 250 / (clock.elapsed - since)
            since = clock.elapsed
            window.zero_()
            log.add(step, clock.spent, loss=mean, norm=norm, steps_per_second=speed, rate=factor)
            if mean == mean:
                good = [p.detach().clone() for p in average.values]
            else:
                print("not a number: stopping with the last good average", flush=True)
                average.values = good
                break
    log.save()
    torch.save(
        {
            "spent": clock.spent,
            "step": step,
            "unet": unet.state_dict(),
            "text": text.state_dict(),
            "optimizer": optimizer.state_dict(),
            "average": average.values,
        },
        arguments.state,
    )
    average.swap()
    unet.eval(), text.eval()
    scaling = torch.tensor(vae.config.scaling_factor)
    save_models(arguments.out, {"vae": vae, "unet": unet, "text": text}, scaling_factor=scaling)
    with torch.no_grad():
        embeddings, unconditional = text(tokenize(tokenizer, list(LOOK)).to(device).long())[0], text(empty.long())[0]
        rows = [
            decode(vae, sample(unet, embeddings, unconditional, *how))
            for how in (("dpmpp-2m", 20, 7.5, 0.4), ("euler-ancestral", 30, 7.5, 1.0))
        ]
    save_grid(arguments.out / "samples.png", torch.cat(rows), 8)
    print(f"steps={step} ({step - first} in this run) seconds={clock.elapsed:.1f}", flush=True)


if __name__ == "__main__":
    main()
