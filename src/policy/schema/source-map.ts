/**
 * The places of declarations in the Cedar schema's source. Cedar gives none for what it has read without an error, and
 * it is there that our own findings point: so declarations are found by their tokens.
 */
import { significantCedarTokens, type CedarToken } from '../lexer.js';

export type DeclarationKind = 'action' | 'entity';

/** Offsets of what a schema declares. */
export interface DeclarationIndex {
  /**
   * @param namespace empty for what is in none
   * @param part of the declaration: a member such as `salary` or `context.can.edit`, or an annotation such as `@scope`
   * @returns the offset of the part, or of the declaration's name where the part isn't written there
   */
  find(kind: DeclarationKind, namespace: string, name: string, part?: string): number | undefined;
}

/** @param source a schema that Cedar takes; of another text whatever looks like a declaration is found */
export function indexDeclarations(source: string): DeclarationIndex {
  const offsets = new DeclarationReader(source).read();
  return {
    find: (kind, namespace, name, part) => {
      const key = `${kind} ${namespace} ${name}`;
      return (part === undefined ? undefined : offsets.get(`${key} ${part}`)) ?? offsets.get(key);
    },
  };
}

/** Reads a schema from its first token to its last; what it doesn't know it passes over up to the next `;`. */
class DeclarationReader {
  private readonly tokens: readonly CedarToken[];
  private readonly offsets = new Map<string, number>();
  private position = 0;

  constructor(source: string) {
    this.tokens = significantCedarTokens(source);
  }

  read(): ReadonlyMap<string, number> {
    while (this.position < this.tokens.length) {
      this.readDeclarations('');
      this.position += 1;
    }
    return this.offsets;
  }

  private get word(): string | undefined {
    return this.tokens[this.position]?.text;
  }

  /** Up to the brace that closes the namespace, or the end. */
  private readDeclarations(namespace: string): void {
    while (this.word !== undefined && this.word !== '}') {
      const annotations = this.readAnnotations();
      const kind = this.word;
      this.position += 1;
      if (kind === 'namespace') this.readNamespace();
      else if (kind === 'entity' || kind === 'action') this.readDeclaration(`${kind} ${namespace}`, annotations);
      else this.readBody([]);
    }
  }

  private readNamespace(): void {
    let name = '';
    for (; this.word !== undefined && this.word !== '{'; this.position += 1) name += this.word;
    this.position += 1;
    this.readDeclarations(name);
    this.position += 1;
  }

  private readDeclaration(prefix: string, annotations: readonly CedarToken[]): void {
    const keys = this.readNames().map((name) => {
      const key = `${prefix} ${nameOf(name)}`;
      this.note(key, name);
      for (const annotation of annotations) this.note(`${key} ${annotation.text}`, annotation);
      return key;
    });
    this.readBody(keys);
  }

  /** `a, "b", c`: one or more names. */
  private readNames(): CedarToken[] {
    const names: CedarToken[] = [];
    for (let name = this.tokens[this.position]; name !== undefined; name = this.tokens[this.position]) {
      names.push(name);
      this.position += 1;
      if (this.word !== ',') break;
      this.position += 1;
    }
    return names;
  }

  /** The `@` of each annotation at this point, with its name for a text. */
  private readAnnotations(): CedarToken[] {
    const annotations: CedarToken[] = [];
    for (let sign = this.tokens[this.position]; sign?.text === '@'; sign = this.tokens[this.position]) {
      annotations.push({ ...sign, text: `@${this.tokens[this.position + 1]?.text ?? ''}` });
      this.position += this.tokens[this.position + 2]?.text === '(' ? 5 : 2;
    }
    return annotations;
  }

  /** The rest of a declaration, up to and with its `;`, and the members that it declares. */
  private readBody(keys: readonly string[]): void {
    /** The member that each open brace belongs to. */
    const enclosing: string[] = [];
    let member = '';
    for (; this.word !== undefined; this.position += 1) {
      const { position } = this;
      if (this.word === '@') {
        this.readAnnotations();
        this.position -= 1;
      } else if (this.word === '{') {
        enclosing.push(member);
        member = '';
      } else if (this.word === '}') {
        if (enclosing.length === 0) return;
        enclosing.pop();
      } else if (this.word === ';' && enclosing.length === 0) {
        this.position += 1;
        return;
      } else if (this.word === ':') {
        // A member is named before a colon, or before the question mark there.
        const name = this.tokens[this.tokens[position - 1]?.text === '?' ? position - 2 : position - 1];
        if (name === undefined) continue;
        member = nameOf(name);
        const path = [...enclosing.filter((outer) => outer !== ''), member].join('.');
        for (const key of keys) for (const part of [path, member]) this.note(`${key} ${part}`, name);
      }
    }
  }

  /** The first of several counts. */
  private note(key: string, { index }: CedarToken): void {
    if (!this.offsets.has(key)) this.offsets.set(key, index);
  }
}

/** A name, whether or not it is written as a string. */
function nameOf({ kind, text }: CedarToken): string {
  return kind === 'string' ? text.slice(1, -1) : text;
}
