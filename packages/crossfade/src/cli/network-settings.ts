import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import tls from 'node:tls';
import type { Env } from '../rollout/config.ts';
import { UserError } from './user-error.ts';

/** What the HTTP client reads from the process's own environment, each time it opens connections. */
const PROXY_SETTINGS = ['https_proxy', 'HTTPS_PROXY', 'http_proxy', 'HTTP_PROXY', 'no_proxy', 'NO_PROXY'];
const AUTHORITIES = 'NODE_EXTRA_CA_CERTS';

/**
 * Makes a file's proxy and certificate authorities count as if they had been set before the start: Node reads
 * NODE_EXTRA_CA_CERTS only then. Processes that this one starts inherit them.
 * @throws UserError when the authorities cannot be read
 */
export function applyNetworkSettings(fromFile: Env): void {
  for (const name of PROXY_SETTINGS) {
    const value = fromFile[name] ?? '';
    if (value !== '' && isUnset(name)) process.env[name] = value;
  }
  const file = fromFile[AUTHORITIES] ?? '';
  if (file === '' || !isUnset(AUTHORITIES)) return;
  trustAuthorities(resolve(file));
  process.env[AUTHORITIES] = resolve(file);
}

/** A variable that is set to nothing counts as unset. */
const isUnset = (name: string): boolean => (process.env[name] ?? '') === '';

function trustAuthorities(path: string): void {
  const hint = `name a file of PEM certificates in ${AUTHORITIES}, or remove it`;
  try {
    const pem = readFileSync(path, 'utf8');
    // Node takes a file without any for one of none.
    if (!pem.includes('-----BEGIN CERTIFICATE-----')) throw new Error('it holds no PEM certificate');
    tls.setDefaultCACertificates([...tls.getCACertificates('default'), pem]);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UserError(
      'CROSSFADE_CA_UNREADABLE',
      `the certificate authorities in ${path} cannot be read: ${reason}`,
      hint,
    );
  }
}
