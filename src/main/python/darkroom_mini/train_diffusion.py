"""Stage `diffusion`: the UNet and the text encoder, together, on encoded scenes.

The noise prediction of Stable Diffusion 1.x (scaled-linear betas, 1,000 timesteps) with the prompt dropped in some
of the samples, the loss weighted by min-SNR (Hang et al., 2023). A little noise that is constant over each channel is
added to the training noise, so that the model takes a wrong overall tone, such as strong guidance gives, for noise.
Where weights of this stage are there already, it goes on from them.
"""

from __future__ import annotations

import copy
from pathlib import Path

import torch

from .architecture import scheduler
from .latents import encode_scenes, load_icons, tokenize
from .scene import Renderer, SceneSampler
from .tokenizer import train_tokenizer
from .training import Clock, Group, Log, Trainer, architecture, half, load_models, save_models, setup
from .vocabulary import corpus


def train(config: dict, icons: Path, out: Path, seconds: float) -> None:
    """Writes VAE, UNet and text encoder to `out`/diffusion, the training set's captions to `out`/tokens.pt."""
    stage = config["diffusion"]
    device = setup(config["seed"] + 1)
    dtype = half(device)
    shape = architecture(config)
    tokenizer = train_tokenizer(corpus(), config["tokens"])
    vae = shape.vae()
    extra = load_models(out / "vae", {"vae": vae})
    vae.register_to_config(scaling_factor=float(extra["scaling_factor"]))
    unet, text = shape.unet(), shape.text_encoder(tokenizer)
    if (out / "diffusion").exists():
        load_models(out / "diffusion", {"unet": unet, "text": text})
    unet = unet.to(device, dtype, memory_format=torch.channels_last).train()
    text = text.to(device, dtype).train()
    log = Log(out / "losses.json", "diffusion")

    encoding = Clock(stage["encodingSeconds"])
    latents, tokens = encode_scenes(
        copy.deepcopy(vae).to(device, dtype, memory_format=torch.channels_last),
        Renderer(load_icons(icons, device), shape.image_size),
        SceneSampler(device, "seen"),
        tokenizer,
        stage["images"],
        config["seed"] + 1,
        device,
        config["doubles"],
        encoding,
    )
    torch.save(tokens, out / "tokens.pt")
    # the same captions give the same tokens wherever it is trained; should they not, this tells
    tokenizer.save_pretrained(out / "tokenizer")
    spread = latents[:4096].float()
    print(f"latents={tuple(latents.shape)} deviation={spread.std():.3f} seconds={encoding.elapsed:.1f}", flush=True)

    clock = Clock(seconds)
    empty = tokenize(tokenizer, [""]).to(device)
    alphas = scheduler().alphas_cumprod.to(device)
    ratio = alphas / (1 - alphas)
    weights = (ratio.clamp(max=stage["snrGamma"]) / ratio).float()
    batch = stage["batch"]

    def loss() -> dict[str, torch.Tensor]:
        index = torch.randint(len(latents), (batch,), device=device)
        clean = latents[index].float()
        noise = torch.randn_like(clean) + stage["offsetNoise"] * torch.randn(batch, 4, 1, 1, device=device)
        t = torch.randint(len(alphas), (batch,), device=device)
        alpha = alphas[t][:, None, None, None]
        noisy = alpha.sqrt() * clean + (1 - alpha).sqrt() * noise
        dropped = torch.rand(batch, device=device) < stage["promptDropout"]
        ids = torch.where(dropped[:, None], empty, tokens[index]).long()
        noisy = noisy.to(dtype).contiguous(memory_format=torch.channels_last)
        predicted = unet(noisy, t, text(ids)[0], return_dict=False)[0]
        error = (predicted.float() - noise).square().mean((1, 2, 3))
        return {"loss": (weights[t] * error).mean()}

    groups = [Group(list(unet.parameters()), stage["rate"]), Group(list(text.parameters()), stage["textRate"])]
    trainer = Trainer(loss, groups, stage["ema"], stage["weightDecay"])
    trainer.run(clock, stage["warmup"], log, 250)
    trainer.finish()
    scaling = torch.tensor(vae.config.scaling_factor)
    save_models(out / "diffusion", {"vae": vae, "unet": unet.float(), "text": text.float()}, scaling_factor=scaling)
    print(f"steps={trainer.steps} seconds={clock.elapsed:.1f}", flush=True)
