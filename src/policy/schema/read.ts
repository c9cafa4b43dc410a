/** The Cedar schema's files as one text with the prelude behind them, and the way back to a file and its line. */
import type { CedarEngine } from '../cedar.js';
import type { Place, ReadSchema } from './declarations.js';
import type { Findings, Location } from '../../diagnostics/diagnostics.js';
import { findPlaces } from './source-map.js';
import { PRELUDE } from './prelude.js';
import { indexOfByte, locationAt, type SourceFile } from '../../diagnostics/source.js';
import { TypeReader } from './types.js';

export interface SchemaText {
  readonly text: string;
  /** Finds a declaration, in whichever file it is. */
  readonly place: Place;
  /** Of a character of the whole; what is past the files is at the end of the last. */
  readonly locate: (index: number) => Location;
}

/** @param files at least one */
export function joinFiles(files: readonly SourceFile[]): SchemaText {
  const text = [...files.map((f) => f.text), PRELUDE].join('\n');
  const first = files[0] ?? { name: 'the Cedar schema', text: '' };
  const locate = (index: number): Location => {
    let rest = index;
    for (const file of files) {
      if (rest <= file.text.length) return locationAt(file, rest);
      rest -= file.text.length + 1;
    }
    const last = files.at(-1) ?? first;
    return locationAt(last, last.text.trimEnd().length);
  };
  const places = findPlaces(text);
  return {
    text,
    locate,
    place: (...where) => {
      const index = places.find(...where);
      return index === undefined ? locationAt(first, 0) : locate(index);
    },
  };
}

/** The schema as Cedar reads it; undefined where it can't, which is then in `findings`. */
export function readSchema(source: SchemaText, cedar: CedarEngine, findings: Findings): ReadSchema | undefined {
  const { text, place, locate } = source;
  const { value: json, complaints } = cedar.parseSchema(text);
  if (json !== undefined) return { json, types: new TypeReader(json), place, findings };
  for (const { message, help, offset } of complaints)
    findings.error('cedar-schema', locate(offset === undefined ? 0 : indexOfByte(text, offset)), message, help);
  return undefined;
}
