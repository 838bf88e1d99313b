"""Text that others wrote, made fit to stand in a line of ours."""


def plain(text: str) -> str:
    """The text without what could make it look like more than one text, or like another.

    Control characters (newlines and the escapes of terminals), characters that turn the direction of writing, and
    separators of lines and paragraphs become spaces; every other character stays as it is.
    """
    return text if text.isprintable() else "".join(one if one.isprintable() else " " for one in text)
