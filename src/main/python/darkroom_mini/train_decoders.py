"""Stage 3, `python -m darkroom_mini.train_decoders`: the decoder refined, and the tiny decoder distilled from it.

With the encoder frozen the latents cannot move, so the decoder may be trained on, now with noise on the latents like
the errors that diffusion leaves. The tiny decoder learns to give what the full one gives for the same latents.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from .latents import load_icons
from .scene import Renderer, SceneSampler
from .train_vae import gradient_loss, save_grid
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


class Decoders(nn.Module):
    """Scaled latents in; pixels in [-1, 1] by the full and by the tiny decoder out."""

    def __init__(self, vae: nn.Module, tiny: nn.Module, factor: float):
        super().__init__()
        self.vae, self.tiny, self._factor = vae, tiny, factor

    def forward(self, latents: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        full = self.vae.decoder(self.vae.post_quant_conv(latents / self._factor))
        return full, self.tiny.decoder(latents)


def main() -> None:
    parser = options("train_decoders", __doc__)
    parser.add_argument("--weights", type=Path, required=True, help="folder with the weights of stage 2")
    parser.add_argument("--seconds", type=float, default=120)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)

    clock = Clock(arguments.seconds)
    config = configuration(arguments.config)
    stage = config["decoders"]
    device = setup(config["seed"] + 2)
    generator = torch.Generator(device).manual_seed(config["seed"] + 2)
    vae = architecture(config).vae().to(device, memory_format=torch.channels_last)
    tiny = architecture(config).tiny_vae().to(device, memory_format=torch.channels_last)
    others = load_models(arguments.weights, {"vae": vae})
    factor = float(others["scaling_factor"])
    renderer, sampler = Renderer(load_icons(arguments.icons, device)), SceneSampler(device, "seen")

    pixels, latents = [], []
    with torch.no_grad():
        for start in range(0, stage["images"], 500):
            scenes = sampler.draw(min(500, stage["images"] - start), generator, config["latents"]["doubles"])
            image = renderer.render(scenes, generator)
            pixels.append(image.mul(255).round().byte())
            with autocast(device):
                mean = vae.encode((image * 2 - 1).contiguous(memory_format=torch.channels_last)).latent_dist.mean
            latents.append(mean.float() * factor)
    pixels, latents = torch.cat(pixels), torch.cat(latents)
    print(f"images={len(pixels)} seconds={clock.elapsed:.1f}", flush=True)

    vae.requires_grad_(False)
    trained = [vae.decoder, vae.post_quant_conv, tiny.decoder]
    for module in trained:
        module.requires_grad_(True)
    parameters = [p for m in trained for p in m.parameters()]
    model = compiled(Decoders(vae, tiny, factor), device)
    optimizer = torch.optim.AdamW(
        [
            {"params": [*vae.decoder.parameters(), *vae.post_quant_conv.parameters()], "peak": stage["rate"]},
            {"params": tiny.decoder.parameters(), "peak": 2 * stage["rate"]},
        ],
        lr=0,
        betas=(0.9, 0.99),
        weight_decay=1e-3,
    )
    average = Average(trained, 0.998)
    log = Log(arguments.out / "losses.json", "decoders")
    step, run = 0, Clock(max(1.0, arguments.seconds - clock.elapsed))
    while not run.over:
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * run.rate(step, 200)
        index = torch.randint(len(pixels), (stage["batch"],), generator=generator, device=device)
        target = pixels[index].float().div(127.5).sub(1).contiguous(memory_format=torch.channels_last)
        noise = torch.randn(stage["batch"], 4, 16, 16, generator=generator, device=device)
        amount = stage["latentNoise"] * torch.rand(stage["batch"], 1, 1, 1, generator=generator, device=device)
        noisy = (latents[index] + amount * noise).contiguous(memory_format=torch.channels_last)
        with autocast(device):
            full, small = model(noisy)
        full, small = full.float(), small.float()
        pixel, edges = F.l1_loss(full, target), gradient_loss(full, target)
        # learning from the picture as well spares the tiny decoder the full one's early errors
        teacher = 0.5 * full.detach() + 0.5 * target
        tiny_pixel, tiny_edges = F.l1_loss(small, teacher), gradient_loss(small, teacher)
        loss = pixel + tiny_pixel + stage["gradientWeight"] * (edges + tiny_edges)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        average.update(step)
        if step % 100 == 0:
            log.add(step, run.elapsed, pixel=pixel, edges=edges, tiny_pixel=tiny_pixel, tiny_edges=tiny_edges)
        step += 1
    average.swap()
    with torch.no_grad():
        scenes = sampler.draw(16, generator, 0.25)
        image = renderer.render(scenes, generator) * 2 - 1
        code = vae.encode(image).latent_dist.mean
        full, small = vae.decode(code).sample.clamp(-1, 1), tiny.decode(code * factor).sample.clamp(-1, 1)
        log.add(
            step,
            run.elapsed,
            psnr=-10 * F.mse_loss(full / 2, image / 2).log10(),
            tiny_psnr=-10 * F.mse_loss(small / 2, image / 2).log10(),
            tiny_to_full_psnr=-10 * F.mse_loss(small / 2, full / 2).log10(),
        )
    log.save()
    save_models(arguments.out, {"vae": vae, "tiny": tiny}, **others)
    save_grid(arguments.out / "decoders.png", torch.cat((image[:8], full[:8], small[:8], image[8:], full[8:], small[8:])), 8)


if __name__ == "__main__":
    main()
