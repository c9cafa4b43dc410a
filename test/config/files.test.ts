/** Text files are UTF-8 throughout: no two of them are one text, and an editor's byte order mark is no part of it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { readBoundedSource, readTextFile } from '../../src/config/files.js';

describe.each([
  ['readTextFile', readTextFile],
  ['readBoundedSource', (path: string) => readBoundedSource(path).text],
])('%s', (_name, read) => {
  let directory: string;
  let file: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'remit-files-'));
    file = join(directory, 'a.cedar');
    return () => {
      rmSync(directory, { recursive: true });
    };
  });

  it('leaves one byte order mark out', () => {
    writeFileSync(file, '\ufeff\ufeffé\r\n');
    expect(read(file)).toBe('\ufeffé\r\n');
  });

  it.each([[0xe9], [0xc3], [0xed, 0xa0, 0x80], [0xc0, 0xaf]])('refuses bytes that are no UTF-8: %#', (...bytes) => {
    writeFileSync(file, Buffer.from([0x61, ...bytes, 0x62]));
    expect(() => read(file)).toThrow(`${file}: is not well-formed UTF-8`);
  });

  it('names a file that there is not', () => {
    expect(() => read(join(directory, 'none'))).toThrow(`${join(directory, 'none')}: there is no such file`);
  });
});
