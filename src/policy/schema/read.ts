/** Joins the Cedar schema's files with the prelude, has Cedar read them, and leads back to a file and its line. */
import type { CedarEngine } from '../cedar.js';
import type { LocateDeclaration, ParsedSchema } from './declarations.js';
import type { FindingCollector, SourceLocation } from '../../diagnostics/diagnostics.js';
import { findOddCedarCharacter } from '../lexer.js';
import { indexDeclarations } from './source-map.js';
import { PRELUDE } from './prelude.js';
import { indexOfByte, locationAt, type SourceFile } from '../../diagnostics/source.js';
import { TypeReader } from './read-types.js';

export interface SchemaText {
  readonly text: string;
  /** A declaration that isn't found is placed at the start of the first file. */
  readonly locateDeclaration: LocateDeclaration;
  /** Finds a character of the whole text; what is behind the files is placed at the end of the last. */
  readonly locateOffset: (index: number) => SourceLocation;
}

/** @param files at least one */
export function joinSchemaFiles(files: readonly SourceFile[]): SchemaText {
  const text = [...files.map((f) => f.text), PRELUDE].join('\n');
  const first = files[0] ?? { name: 'the Cedar schema', text: '' };
  const locate = (index: number): SourceLocation => {
    let remaining = index;
    for (const file of files) {
      if (remaining <= file.text.length) return locationAt(file, remaining);
      remaining -= file.text.length + 1;
    }
    const last = files.at(-1) ?? first;
    return locationAt(last, last.text.trimEnd().length);
  };
  const declarations = indexDeclarations(text);
  return {
    text,
    locateOffset: locate,
    locateDeclaration: (...where) => {
      const index = declarations.find(...where);
      return index === undefined ? locationAt(first, 0) : locate(index);
    },
  };
}

/** @returns undefined where Cedar can't read the schema; why is in the findings */
export function parseCedarSchema(
  source: SchemaText,
  cedar: CedarEngine,
  findings: FindingCollector,
): ParsedSchema | undefined {
  const { text, locateDeclaration, locateOffset } = source;
  const odd = findOddCedarCharacter(text);
  if (odd !== undefined) {
    findings.error('cedar-schema', locateOffset(odd.index), odd.message);
    return undefined;
  }
  const { value: json, diagnostics } = cedar.parseSchema(text);
  if (json !== undefined) return { json, types: new TypeReader(json), locateDeclaration, findings };
  for (const { message, help, offset } of diagnostics)
    findings.error('cedar-schema', locateOffset(offset === undefined ? 0 : indexOfByte(text, offset)), message, help);
  return undefined;
}
