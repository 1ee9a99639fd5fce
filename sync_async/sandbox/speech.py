"""Speech for `text` inputs: the packaged voice, its syllables put together to fit the script.

It says the script's vowels in the script's rhythm, about four syllables a second as people do, and no words.
"""

from __future__ import annotations

import re
import wave
from functools import cache
from pathlib import Path

VOICE = Path(__file__).parent / "media" / "speech.wav"
SYLLABLES = "aeoiuaoeiauoeaio"
"""What the packaged voice says, a syllable each `SYLLABLE_SECONDS`."""
SYLLABLE_SECONDS = 0.25
WORD_PAUSE, SENTENCE_PAUSE = 0.05, 0.3
LETTERS_A_SYLLABLE = 3
"""For words in which no vowel is found."""


@cache
def _voice() -> tuple[int, list[bytes]]:
    """Give the sample rate of the voice, and its syllables."""
    with wave.open(str(VOICE), "rb") as file:
        rate, sound = file.getframerate(), file.readframes(file.getnframes())
    size = int(rate * SYLLABLE_SECONDS) * 2
    return rate, [sound[start : start + size] for start in range(0, len(SYLLABLES) * size, size)]


def speak(script: str, target: Path) -> None:
    """Write a script, spoken, as a mono WAV file of 16 bits."""
    rate, syllables = _voice()
    with wave.open(str(target), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        for number, (vowel, pause) in enumerate(_rhythm(script)):
            file.writeframes(syllables[_place(vowel, number)] + bytes(int(pause * rate) * 2))


def _rhythm(script: str) -> list[tuple[str, float]]:
    """Give the vowel of each syllable, and the pause behind it; a script without letters is one syllable."""
    found: list[tuple[str, float]] = []
    for word, mark in re.findall(r"(\w+)([^\w\s]*)", script):
        vowels = re.findall(r"[aeiou]", re.sub(r"[aeiouy]{2,}", lambda run: run[0][0], word.lower()))
        vowels = vowels or list(word[::LETTERS_A_SYLLABLE])
        found += [(vowel, 0.0) for vowel in vowels]
        found[-1] = (found[-1][0], SENTENCE_PAUSE if mark else WORD_PAUSE)
    return found or [("a", 0.0)]


def _place(vowel: str, number: int) -> int:
    """Choose a syllable of the voice: one with the vowel, not always the same; any one for other letters."""
    places = [place for place, said in enumerate(SYLLABLES) if said == vowel] or range(len(SYLLABLES))
    return places[(number + ord(vowel)) % len(places)]
