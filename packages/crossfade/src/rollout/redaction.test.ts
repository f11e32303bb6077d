import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRedaction, secretsOf } from './redaction.ts';

const SECRET = fc.string({ minLength: 12, maxLength: 40, unit: fc.constantFrom(...'abcXYZ0189+/=_-"\\ %@'.split('')) });

describe('redaction', () => {
  it('leaves no canary in whatever text it stands, as it is, URL-encoded or in base64', () => {
    fc.assert(
      fc.property(SECRET, fc.string(), fc.string(), (secret, before, after) => {
        const { text } = createRedaction([secret]);
        const encoded = encodeURIComponent(secret);
        const base64 = Buffer.from(secret).toString('base64');
        for (const shape of [secret, encoded, base64]) {
          expect(text(`${before} ${shape} ${after}`)).not.toContain(shape.replace(/=+$/, ''));
        }
      }),
    );
  });

  it('reaches keys and values at any depth of JSON', () => {
    fc.assert(
      fc.property(SECRET, fc.jsonValue({ maxDepth: 3 }), (secret, noise) => {
        const { json } = createRedaction([secret]);
        const clean = json({ noise: JSON.stringify(noise), list: [{ [secret]: { deep: `Basic ${secret}` } }] });
        expect(JSON.stringify(clean)).not.toContain(JSON.stringify(secret).slice(1, -1));
      }),
    );
  });

  it.each([
    ['a bearer token', 'Authorization: Bearer abcdefgh12345678', 'abcdefgh12345678'],
    ['a JWT', 'token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl', 'eyJzdWIiOiIxIn0'],
    ['a signature in a URL', 'https://media.example/x?exp=1&sig=c2VjcmV0', 'c2VjcmV0'],
    ['a password in a connection string', 'postgresql://app:hunter2hunter2@db:5432/x', 'hunter2hunter2'],
  ])('knows %s by its shape alone', (_name, line, secret) => {
    expect(createRedaction([]).text(line)).not.toContain(secret);
  });

  it('does not touch what is no secret', () => {
    const line = 'GET /media/library/previews/a.mp3 answered 206 in 12 ms';
    expect(createRedaction(['a-secret-value']).text(line)).toBe(line);
  });

  it('finds the credentials of a config by their fields, and passwords inside of connection strings', () => {
    const found = secretsOf({
      cloudflare: { apiToken: 'token-1' },
      database: { url: 'postgresql://app:p%40ss@db/x' },
      list: [{ password: 'word-2' }],
      name: 'audafact',
    });
    expect(found).toEqual(expect.arrayContaining(['token-1', 'p%40ss', 'p@ss', 'word-2']));
    expect(found).not.toContain('audafact');
  });
});
