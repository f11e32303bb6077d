import { strToU8, zipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { createRedaction } from './redaction.ts';
import { redactZip, textOfZip, zipMembers } from './redacted-zip.ts';

const CANARY = 'canary-password-of-a-user';
const PICTURE = new Uint8Array([137, 80, 78, 71, 0, 255, 254]);

describe('a zip of evidence', () => {
  const zip = zipSync({
    'trace.trace': strToU8(`{"method":"fill","value":"${CANARY}"}\n`),
    'trace.network': strToU8('{"name":"authorization","value":"Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln"}'),
    'resources/a.json': strToU8('{"access_token":"abcdefgh12345678","refresh_token":"60a35171cc1d5861efc8"}'),
    'screencast/1.png': PICTURE,
  });

  it('is kept without what was typed, sent or received that opens something', () => {
    const text = textOfZip(redactZip(zip, createRedaction([CANARY]).text));
    for (const secret of [CANARY, 'eyJhbGciOiJIUzI1NiJ9', 'abcdefgh12345678', '60a35171cc1d5861efc8']) {
      expect(text).not.toContain(secret);
    }
    expect(text).toContain('"method":"fill"');
  });

  it('keeps its pictures byte by byte', () => {
    const members = zipMembers(redactZip(zip, createRedaction([CANARY]).text));
    expect(members.find(({ name }) => name === 'screencast/1.png')?.bytes).toEqual(PICTURE);
    expect(members).toHaveLength(4);
  });
});
