/** Certificates made with openssl as tests need them, in a directory that the test removes. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const CURVE = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];

/** Where a certificate and its key are, in PEM. */
export interface Pair {
  readonly certificate: string;
  readonly key: string;
}

/** An authority, or a server's own certificate: it vouches for itself. */
export function selfSigned(directory: string, name: string): Pair {
  const pair = pairAt(directory, name);
  const names = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  openssl('req', '-x509', ...CURVE, ...names, '-keyout', pair.key, '-out', pair.certificate);
  return pair;
}

/** @param dns its DNS name, in subjectAltName */
export function signedBy(authority: Pair, directory: string, name: string, dns = name): Pair {
  const pair = pairAt(directory, name);
  const request = join(directory, `${name}.csr`);
  const extensions = join(directory, `${name}.ext`);
  writeFileSync(extensions, `subjectAltName=DNS:${dns}\n`);
  openssl('req', ...CURVE, '-subj', `/CN=${name}`, '-keyout', pair.key, '-out', request);
  openssl('x509', '-req', '-in', request, '-CA', authority.certificate, '-CAkey', authority.key, '-CAcreateserial', '-days', '2', '-extfile', extensions, '-out', pair.certificate); // prettier-ignore
  return pair;
}

/** The texts. */
export function pem({ certificate, key }: Pair): { cert: string; key: string } {
  return { cert: readFileSync(certificate, 'utf8'), key: readFileSync(key, 'utf8') };
}

function pairAt(directory: string, name: string): Pair {
  return { certificate: join(directory, `${name}.pem`), key: join(directory, `${name}.key`) };
}

function openssl(...args: string[]): void {
  execFileSync('openssl', args, { stdio: 'pipe' });
}
