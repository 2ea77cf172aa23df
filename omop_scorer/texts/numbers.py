"""Numbers as people write them in files: what is one, and what only looks like one."""

import re

#: A decimal number with a point, without separators of thousands.
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)

#: A number with a decimal comma, or with commas between thousands.
DECIMAL_COMMA = re.compile(r"[-+]?[\d.]*,[\d.,]*", re.ASCII)
