"""Columns of the arrays that the scanner of pages fills, and its marks and limits."""

STRONG, EMPHASIS, CODE = 1, 2, 3
"""Marks in the text; other control characters of a page are dropped."""

# Columns of `nodes`.
PARENT, NODE_TAG, DEPTH, BLOCK_PARENT, SIGNATURE = range(5)
NODE_COLUMNS = 5
# Columns of `node_bits`: attributes' words of the element; of it and its parent; of all above too; tags of all above.
OWN, NEAR, ABOVE, TAGS_ABOVE = range(4)
# Columns of `blocks`. From CHARACTERS on: counts.
(
    NODE,
    LEAF,
    START,
    END,
    ROW,
    FIRST,
    LAST,
    PREFORMATTED,
    CHARACTERS,
    WIDE,
    WORDS,
    LINKED,
    LINKS,
    BOLD,
    DIGITS,
    CAPITALS,
    COMMAS,
    SENTENCES,
    BREAKS,
    IMAGES,
) = range(20)
BLOCK_COLUMNS = 20
# Columns of `elements`: tag, attributes from and to, content from and to, whether it stands in a picture or the like.
ELEMENT_COLUMNS = 6
MAX_ELEMENTS = 4000

# What `scan` returns in `state`, and what it keeps there while it works.
STATUS, NODES, BLOCKS, OUT, ELEMENTS, COUNTED, STACK, OPEN, SPACE, LINK, SKIPPING, PRE, STRENGTH, MATCH, SEEN_IMAGES = (
    range(15)
)
STATE = 15
TOO_DEEP, TOO_MANY = 1, 2  # STATUS; 0: the whole page was scanned
