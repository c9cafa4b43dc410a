/** Messages about a file's YAML in our own words, by the library's error codes. `yaml.ts` calls it. */
import type { ErrorCode } from 'yaml';

const MESSAGES: Readonly<Record<ErrorCode, string>> = {
  ALIAS_PROPS: 'an alias (*) can not have an anchor or a tag of its own',
  BAD_ALIAS: 'the name of this anchor or alias is empty or ends in ":"',
  BAD_COLLECTION_TYPE: 'the tag (!) does not fit what follows it: leave it out',
  BAD_DIRECTIVE: 'this directive (%) is not known: leave it out',
  BAD_DQ_ESCAPE: 'YAML has no such escape: write \\\\ for a backslash, or put the text in single quotes',
  BAD_INDENT: 'the indentation does not fit the lines above',
  BAD_PROP_ORDER: 'the anchor or tag stands in the wrong place',
  BAD_SCALAR_START: 'a text can not begin with this character: write it in quotes',
  BLOCK_AS_IMPLICIT_KEY: 'the line has a second key: begin a new line, or write a text that holds ": " in quotes',
  BLOCK_IN_FLOW: 'within { } or [ ] no indented list, mapping or block of text can stand',
  DUPLICATE_KEY: 'the key is given twice',
  IMPOSSIBLE: 'this can not be read as YAML',
  KEY_OVER_1024_CHARS: 'the key is longer than 1024 characters',
  MISSING_CHAR: 'a quote, bracket, comma, colon, dash or space is missing',
  MULTILINE_IMPLICIT_KEY: 'a key must stand on one line with its ":"',
  MULTIPLE_ANCHORS: 'a value can have one anchor (&) only',
  MULTIPLE_DOCS: 'the file must be one document, and "---" begins another',
  MULTIPLE_TAGS: 'a value can have one tag (!) only',
  NON_STRING_KEY: 'a key must be a text, not a list, a mapping or an alias',
  RESOURCE_EXHAUSTION: 'the values are nested too deep',
  TAB_AS_INDENT: 'a tab can not indent a line: use spaces',
  TAG_RESOLVE_FAILED: 'the tag (!) is not known, or does not fit the value: leave it out',
  UNEXPECTED_TOKEN: 'this is not expected here: a text with characters that mean something in YAML needs quotes',
};

/** @param code as the library's error or warning has it */
export function describeYamlError({ code }: { readonly code: ErrorCode }): string {
  return MESSAGES[code];
}
