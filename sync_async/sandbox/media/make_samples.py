"""Makes the sandbox's own clip, picture and voice: `python -m sync_async.sandbox.media.make_samples`.

Everything is computed here, so nobody else has rights in it. The face is drawn from ellipses, and its mouth
opens and closes a little; the voice is a pulse train and some noise behind three resonators, which is how
formant synthesisers have spoken since the 1950s. The same files come out each time. Needs PyAV.
"""

from __future__ import annotations

import math
import random
import struct
import wave
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

FOLDER = Path(__file__).parent
WIDTH, HEIGHT, FPS, SECONDS = 320, 240, 25, 3
RATE = 16_000
Colour = tuple[int, int, int]

FACE: list[tuple[Colour, float, float, float, float]] = [
    ((92, 58, 34), 160, 98, 84, 86),
    ((240, 196, 160), 160, 120, 74, 92),
    ((255, 255, 255), 132, 104, 16, 10),
    ((255, 255, 255), 188, 104, 16, 10),
    ((52, 82, 120), 133, 105, 7, 7),
    ((52, 82, 120), 187, 105, 7, 7),
    ((92, 58, 34), 132, 86, 20, 3),
    ((92, 58, 34), 188, 86, 20, 3),
    ((222, 170, 134), 160, 134, 8, 14),
]
"""Colour, centre and half axes of each ellipse, from back to front."""

VOWELS = {
    "a": (730, 1090, 2440),
    "e": (530, 1840, 2480),
    "i": (270, 2290, 3010),
    "o": (570, 840, 2410),
    "u": (300, 870, 2240),
}
"""The first three formants in Hz, after Peterson and Barney (1952)."""
SYLLABLES = ["a", "e", "o", "i", "u", "a", "o", "e", "i", "a", "u", "o", "e", "a", "i", "o"]
SYLLABLE_SECONDS = 0.25


def ellipse(pixels: bytearray, colour: Colour, x: float, y: float, wide: float, high: float) -> None:
    """Paint an ellipse into RGB pixels, a row at a time."""
    for row in range(max(0, int(y - high)), min(HEIGHT, int(y + high) + 1)):
        reach = 1 - ((row - y) / high) ** 2
        if reach > 0:
            half = wide * math.sqrt(reach)
            left, right = max(0, int(x - half)), min(WIDTH, int(x + half) + 1)
            start = (row * WIDTH + left) * 3
            pixels[start : start + (right - left) * 3] = bytes(colour) * (right - left)


def face(opening: float) -> bytes:
    """Draw the face with its mouth open by 0 to 1."""
    rows = (bytes((70 + row // 6, 110 + row // 6, 150 + row // 8)) * WIDTH for row in range(HEIGHT))
    pixels = bytearray(b"".join(rows))
    for colour, x, y, wide, high in FACE:
        ellipse(pixels, colour, x, y, wide, high)
    ellipse(pixels, (178, 72, 78), 160, 172, 26, 6 + 10 * opening)
    ellipse(pixels, (84, 22, 30), 160, 172, 20, 2 + 9 * opening)
    return bytes(pixels)


def picture(opening: float) -> av.VideoFrame:
    """Give the face as a frame."""
    frame = av.VideoFrame(WIDTH, HEIGHT, "rgb24")
    frame.planes[0].update(face(opening))
    return frame


def make_video(path: Path) -> None:
    """Write the clip, with a quiet tone as its sound."""
    with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as container:
        video: Any = container.add_stream("libx264", rate=FPS, options={"crf": "28", "preset": "slow"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        audio: Any = container.add_stream("aac", rate=RATE, layout="mono")
        for number in range(FPS * SECONDS):
            frame = picture(0.5 - 0.5 * math.cos(number / FPS * 2 * math.pi * 1.5)).reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(video.encode(frame))
        for sound in quiet_tone():
            container.mux(audio.encode(sound))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))


def quiet_tone() -> Iterator[av.AudioFrame]:
    """Hum softly at 220 Hz."""
    size = 1024
    for start in range(0, RATE * SECONDS, size):
        count = min(size, RATE * SECONDS - start)
        samples = [int(300 * math.sin(2 * math.pi * 220 * (start + n) / RATE)) for n in range(count)]
        frame = av.AudioFrame(format="s16", layout="mono", samples=count)
        frame.planes[0].update(struct.pack(f"<{count}h", *samples).ljust(frame.planes[0].buffer_size, b"\0"))
        frame.pts, frame.sample_rate, frame.time_base = start, RATE, Fraction(1, RATE)
        yield frame


def make_picture(path: Path) -> None:
    """Write the face as a PNG file."""
    with av.open(str(path), "w", format="image2") as container:
        stream: Any = container.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "rgb24"
        container.mux(stream.encode(picture(0.2)))
        container.mux(stream.encode(None))


class Resonator:
    """A filter that lets one formant sound (Klatt, 1980)."""

    def __init__(self) -> None:
        self._last = (0.0, 0.0)

    def filter(self, value: float, frequency: float, width: float) -> float:
        """Filter one sample."""
        decay = math.exp(-math.pi * width / RATE)
        b, c = 2 * decay * math.cos(2 * math.pi * frequency / RATE), -decay * decay
        out = (1 - b - c) * value + b * self._last[0] + c * self._last[1]
        self._last = (out, self._last[0])
        return out


def voice() -> list[float]:
    """Speak the syllables."""
    chance = random.Random(7)  # noqa: S311  # noise, not secrets
    resonators = [Resonator() for _ in range(3)]
    formants: list[float] = list(VOWELS[SYLLABLES[0]])
    phase, sound = 0.0, []
    for number in range(int(len(SYLLABLES) * SYLLABLE_SECONDS * RATE)):
        index, place = divmod(number / RATE, SYLLABLE_SECONDS)
        place /= SYLLABLE_SECONDS
        wanted = VOWELS[SYLLABLES[int(index)]]
        formants = [now + (then - now) * 0.004 for now, then in zip(formants, wanted, strict=True)]
        phase += (118 + 22 * math.sin(2 * math.pi * number / RATE / 1.7) - 10 * place) / RATE
        pulse = 1.0 if phase >= 1 else 0.0
        phase -= int(phase)
        breath = chance.uniform(-1, 1) * (0.25 if place < 0.12 else 0.01)
        loudness = math.sin(math.pi * min(1.0, place * 1.15)) ** 0.6 if place < 0.87 else 0.0
        value = (pulse * 6 + breath) * loudness
        for resonator, formant in zip(resonators, formants, strict=True):
            value = resonator.filter(value, formant, 90)
        sound.append(value)
    return sound


def make_voice(path: Path) -> None:
    """Write the voice as 16-bit mono."""
    sound = voice()
    peak = max(map(abs, sound))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(b"".join(struct.pack("<h", int(value / peak * 26_000)) for value in sound))


if __name__ == "__main__":
    make_video(FOLDER / "face.mp4")
    make_picture(FOLDER / "face.png")
    make_voice(FOLDER / "speech.wav")
