"""What a text means as a number, a day or a moment. Both engines go by these patterns.

Blanks around a text mean nothing. Patterns are for a whole text, and contain no backslash, because
a setting of a Spark session decides whether a backslash is an escape.
"""

#: The characters that are blanks, as an expression that DuckDB and Spark both know.
BLANKS = "' ' || CHR(9) || CHR(10) || CHR(13) || CHR(160)"

WHOLE_NUMBER = "[+-]?[0-9]+([.]0*)?"

NUMBER = "[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?"

#: What a column of numbers may hold besides numbers. In a column of texts they are words.
NOT_A_NUMBER = "[nN][aA][nN]"
ENDLESS = "[+-]?[iI][nN][fF]([iI][nN][iI][tT][yY])?"

_MONTH_AND_DAY = "-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"

#: A clock has 24 hours from 00 to 23, and 60 seconds.
_CLOCK = "([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]+)?)?"

#: Offsets from UTC reach 14 hours. The day and the time of day are read as they are written.
_OFFSET = "(Z|[+-](0[0-9]|1[0-3])(:?[0-5][0-9])?(:[0-5][0-9])?|[+-]14(:?00)?)?"

_TIME = f"([T ]{_CLOCK}{_OFFSET})?"

#: A day with or without a time of day. A cast says whether the month has the day.
MOMENT = f"([1-9][0-9]{{3}}|0[1-9][0-9]{{2}}|00[1-9][0-9]|000[1-9]){_MONTH_AND_DAY}{_TIME}"

#: The part of a moment that is kept: at most six digits of a second.
KEPT_OF_MOMENT = (
    f"^[0-9]{{4}}{_MONTH_AND_DAY}([T ][0-9]{{2}}:[0-9]{{2}}(:[0-9]{{2}}([.][0-9]{{1,6}})?)?)?"
)

#: Days before year 1, as PostgreSQL, DuckDB, Spark and ISO 8601 write them; they mean long ago.
BEFORE_CALENDAR = (
    f"-[iI][nN][fF][iI][nN][iI][tT][yY]|(-[0-9]{{4,7}}|0000){_MONTH_AND_DAY}{_TIME}"
    f"|[0-9]{{4,7}}{_MONTH_AND_DAY}{_TIME} ([(]BC[)]|BC)"
    f"|[0-9]{{4,7}}{_MONTH_AND_DAY} [(]BC[)]{_TIME}"
)

#: Days after year 9999; they mean never.
AFTER_CALENDAR = f"[+]?[iI][nN][fF][iI][nN][iI][tT][yY]|[+]?[0-9]{{5,7}}{_MONTH_AND_DAY}{_TIME}"

FIRST_DAY, LAST_DAY = "0001-01-01", "9999-12-31"
