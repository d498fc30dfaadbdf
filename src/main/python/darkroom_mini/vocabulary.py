"""What the model can draw, and the captions that say it.

An object is a noun phrase without its article and the Fluent emoji that shows it; a background colour is a name
and its sRGB value; a style is one of the two sets of the emoji. One pair of object and colour in five is held out:
no training image shows it, so that an evaluation can ask whether the model composes or remembers.
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass

OBJECTS: dict[str, str] = {
    # fruit and vegetables
    "red apple": "red-apple", "banana": "banana", "bunch of grapes": "grapes", "lemon": "lemon", "orange": "tangerine",
    "pineapple": "pineapple", "slice of watermelon": "watermelon", "strawberry": "strawberry",
    "pair of cherries": "cherries", "peach": "peach", "kiwi fruit": "kiwi-fruit", "coconut": "coconut",
    "avocado": "avocado", "carrot": "carrot", "corn on the cob": "ear-of-corn", "broccoli": "broccoli",
    "eggplant": "eggplant", "garlic": "garlic", "chili pepper": "hot-pepper", "red mushroom": "mushroom",
    # food
    "loaf of bread": "bread", "croissant": "croissant", "pretzel": "pretzel", "wedge of cheese": "cheese-wedge",
    "fried egg in a pan": "cooking", "hamburger": "hamburger", "box of french fries": "french-fries",
    "slice of pizza": "pizza", "hot dog": "hot-dog", "sandwich": "sandwich", "taco": "taco", "rice ball": "rice-ball",
    "ice cream cone": "soft-ice-cream", "bowl of ice cream": "ice-cream", "doughnut": "doughnut", "cookie": "cookie",
    "birthday cake": "birthday-cake", "cupcake": "cupcake", "chocolate bar": "chocolate-bar", "lollipop": "lollipop",
    "pot of honey": "honey-pot", "bucket of popcorn": "popcorn", "stack of pancakes": "pancakes",
    "bowl of salad": "green-salad",
    # drinks and kitchen
    "cup of coffee": "hot-beverage", "teapot": "teapot", "glass of wine": "wine-glass", "mug of beer": "beer-mug",
    "martini": "cocktail-glass", "bubble tea": "bubble-tea", "baby bottle": "baby-bottle", "clay vase": "amphora",
    # clothing and accessories
    "t-shirt": "t-shirt", "pair of jeans": "jeans", "dress": "dress", "kimono": "kimono", "scarf": "scarf",
    "pair of socks": "socks", "baseball cap": "billed-cap", "top hat": "top-hat", "sun hat": "womans-hat",
    "crown": "crown", "running shoe": "running-shoe", "high-heeled shoe": "high-heeled-shoe",
    "hiking boot": "hiking-boot", "pair of ballet shoes": "ballet-shoes", "backpack": "backpack", "handbag": "handbag",
    "suitcase": "luggage", "umbrella": "umbrella", "wristwatch": "watch", "diamond": "gem-stone",
    "graduation cap": "graduation-cap",
    # tools and household
    "hammer": "hammer", "wrench": "wrench", "axe": "axe", "saw": "carpentry-saw", "toolbox": "toolbox",
    "ladder": "ladder", "magnet": "magnet", "paintbrush": "paintbrush", "bucket": "bucket", "basket": "basket",
    "pair of scissors": "scissors", "pushpin": "pushpin", "pencil": "pencil", "key": "key", "padlock": "locked",
    "shield": "shield", "fire extinguisher": "fire-extinguisher", "flashlight": "flashlight",
    "light bulb": "light-bulb", "candle": "candle", "bed": "bed", "chair": "chair", "bathtub": "bathtub",
    "toilet": "toilet", "door": "door", "toothbrush": "toothbrush", "microscope": "microscope",
    "telescope": "telescope",
    # electronics
    "laptop": "laptop", "smartphone": "mobile-phone", "telephone": "telephone", "television": "television",
    "camera": "camera", "pair of headphones": "headphone", "microphone": "studio-microphone",
    "floppy disk": "floppy-disk", "joystick": "joystick", "game controller": "video-game", "alarm clock": "alarm-clock",
    "hourglass": "hourglass-done", "megaphone": "megaphone",
    # instruments
    "guitar": "guitar", "violin": "violin", "trumpet": "trumpet", "saxophone": "saxophone", "drum": "drum",
    "accordion": "accordion",
    # paper, play and sports
    "stack of books": "books", "envelope": "envelope", "cardboard box": "package", "gift box": "wrapped-gift",
    "red balloon": "balloon", "soccer ball": "soccer-ball", "basketball": "basketball",
    "american football": "american-football", "baseball": "baseball", "boxing glove": "boxing-glove",
    "ice skate": "ice-skate", "skateboard": "skateboard", "roller skate": "roller-skate", "kite": "kite",
    "target": "bullseye", "trophy": "trophy", "gold medal": "sports-medal", "dice": "game-die",
    "puzzle piece": "puzzle-piece", "teddy bear": "teddy-bear", "crystal ball": "crystal-ball",
    "painter's palette": "artist-palette", "ball of yarn": "yarn",
    # vehicles and outdoors
    "red car": "automobile", "taxi": "taxi", "bus": "bus", "fire engine": "fire-engine", "ambulance": "ambulance",
    "tractor": "tractor", "bicycle": "bicycle", "airplane": "airplane", "helicopter": "helicopter", "rocket": "rocket",
    "sailboat": "sailboat", "locomotive": "locomotive", "flying saucer": "flying-saucer", "anchor": "anchor",
    "life ring": "ring-buoy", "cactus": "cactus", "potted plant": "potted-plant", "sunflower": "sunflower",
    "rose": "rose", "four-leaf clover": "four-leaf-clover", "snowman": "snowman", "carved pumpkin": "jack-o-lantern",
    "christmas tree": "christmas-tree", "traffic light": "vertical-traffic-light",
    "globe": "globe-showing-europe-africa",
}

COLORS: dict[str, tuple[int, int, int]] = {
    "white": (244, 244, 244), "gray": (146, 146, 148), "black": (28, 28, 30), "red": (204, 32, 40),
    "orange": (246, 132, 28), "yellow": (252, 216, 56), "green": (76, 168, 44), "teal": (0, 126, 130),
    "light blue": (148, 208, 248), "blue": (32, 80, 208), "purple": (122, 52, 168), "pink": (248, 158, 200),
    "brown": (112, 70, 40),
}

STYLES: tuple[str, ...] = ("flat icon", "glossy icon")
"""In the order of the icon sets: `fluent-emoji-flat`, `fluent-emoji`."""

OBJECT_NAMES: tuple[str, ...] = tuple(OBJECTS)
COLOR_NAMES: tuple[str, ...] = tuple(COLORS)

_HELD_OUT_SEED = "darkroom-mini-1"
_UNCOUNTED = {"broccoli", "garlic", "dice", "bubble tea", "corn on the cob"}

_SINGLE = (
    "{object} on {a_color} background, {style}",
    "{object} on {a_color} background, {style}",
    "{object} on {a_color} background",
    "{a_style} of {object} on {a_color} background",
    "product photo of {object} on {a_color} background, {style}",
    "{object}, {color} background, {style}",
    "{object}, {color} background",
    "{object} against {a_color} backdrop, {style}",
    "{object} in front of {a_color} background",
    "{style}, {object}, {a_color} background",
)
_DOUBLE = (
    "{object} and {second} on {a_color} background, {style}",
    "{object} and {second} on {a_color} background",
    "{object} next to {second} on {a_color} background, {style}",
    "{a_style} of {object} and {second} on {a_color} background",
    "{object} and {second}, {color} background, {style}",
)


def with_article(noun: str) -> str:
    """`apple` → `an apple`; nouns that are not counted stay as they are."""
    if noun in _UNCOUNTED:
        return noun
    return f"{'an' if noun[0] in 'aeio' or noun == 'umbrella' else 'a'} {noun}"


def held_out(name: str, color: str) -> bool:
    """Whether this pair of object and background colour is kept from training: one in five, by a seeded hash."""
    digest = hashlib.sha256(f"{_HELD_OUT_SEED}|{name}|{color}".encode()).digest()
    return int.from_bytes(digest[:4], "big") % 5 == 0


@dataclass(frozen=True)
class Scene:
    """What an image shows: one object or two (left, then right), a background colour, and a style by its index."""

    objects: tuple[int, ...]
    color: int
    style: int


def caption(scene: Scene, template: str) -> str:
    """The caption of a scene in one phrasing."""
    names = [with_article(OBJECT_NAMES[i]) for i in scene.objects]
    color, style = COLOR_NAMES[scene.color], STYLES[scene.style]
    return template.format(
        object=names[0], second=names[-1], color=color, a_color=with_article(color), style=style, a_style=with_article(style)
    )


def phrasings(count: int) -> tuple[str, ...]:
    """The phrasings for one object or two; some are listed twice, as often as they are to be drawn."""
    return _SINGLE if count == 1 else _DOUBLE


def every_pair(held: bool) -> list[tuple[int, int]]:
    """All (object, colour) pairs of one side of the split, by index."""
    return [
        (o, c)
        for o, name in enumerate(OBJECT_NAMES)
        for c, color in enumerate(COLOR_NAMES)
        if held_out(name, color) == held
    ]


def corpus(seed: int = 0, doubles: int = 4000) -> list[str]:
    """Captions of every object, colour and style in every phrasing: what the tokenizer learns from."""
    rng = random.Random(seed)
    texts = []
    for o in range(len(OBJECT_NAMES)):
        for c in range(len(COLOR_NAMES)):
            texts.append(caption(Scene((o,), c, rng.randrange(len(STYLES))), rng.choice(_SINGLE)))
    for _ in range(doubles):
        pair = tuple(rng.sample(range(len(OBJECT_NAMES)), 2))
        texts.append(caption(Scene(pair, rng.randrange(len(COLOR_NAMES)), rng.randrange(len(STYLES))), rng.choice(_DOUBLE)))
    return texts
