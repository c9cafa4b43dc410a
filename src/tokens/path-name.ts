/**
 * Names of files that every service reads alike. One that opens a path may decode what is percent-encoded, bring
 * compatibility forms to their plain characters, and leave out what isn't seen: a name that could then be `..`, or have a
 * separator in it, has no certain reading.
 */

/** The plain characters that nothing is decoded from or left out of. */
const PLAIN_NAME = /^[\x20-\x24\x26-\x5b\x5d-\x7e]*$/;
/** Controls, backslashes, blanks other than the space, what isn't seen, and what is no character at all. */
const ODD_CHARACTER =
  /(?! )[\p{Cc}\p{Cf}\p{Cs}\p{Z}\p{White_Space}\p{Default_Ignorable_Code_Point}\p{Noncharacter_Code_Point}\\\ufffd]/u;
/** Strokes that are no separators, and that some systems map to one. */
const SEPARATOR_LOOKALIKE = /[\u2044\u2215\u2216\u29f5\u29f8\u29f9]/;
/** A name that some systems take for `.` or `..`: with blanks or more dots, or with a parameter or stream. */
const NEARLY_DOTS = /^[. ]+$|^ *\.{1,2} *[;:]/;
/** The encoding of a UTF-16 code unit that some services know. */
const CODE_UNIT_ENCODING = /%u[0-9a-f]/i;
const ENCODED_BYTES = /(?:%[0-9a-f]{2})+/gi;

/** @param name between two separators, neither `.` nor `..` */
export function hasOneReading(name: string): boolean {
  if (NEARLY_DOTS.test(name)) return false;
  if (PLAIN_NAME.test(name)) return true;
  if (SEPARATOR_LOOKALIKE.test(name) || name.normalize('NFC') !== name) return false;
  const marks = pickMarks(name.replace(ENCODED_BYTES, ''));
  let reading = name;
  for (;;) {
    if (ODD_CHARACTER.test(reading) || NEARLY_DOTS.test(reading) || CODE_UNIT_ENCODING.test(reading)) return false;
    const next = readFurther(reading);
    // A further reading may write letters otherwise; a dot, separator or percent sign must not come out of it.
    if (next === undefined || pickMarks(next.replace(ENCODED_BYTES, '')) !== marks) return false;
    if (next === reading) return true;
    reading = next;
  }
}

/** Decodes once, and brings to the plain characters. @returns undefined where the encoded bytes are no UTF-8 */
function readFurther(name: string): string | undefined {
  try {
    return name.normalize('NFKC').replace(ENCODED_BYTES, (bytes) => decodeURIComponent(bytes));
  } catch {
    return undefined;
  }
}

function pickMarks(text: string): string {
  return text.replace(/[^./\\%;:]/g, '');
}
