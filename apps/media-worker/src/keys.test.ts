import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { mintUploadKey } from './keys.ts';
import { whyUnservable } from './servable-key.ts';
import { refusedByStorage } from '../../../packages/crossfade/src/providers/supabase/storage-keys.ts';

it('a new key is one that the Worker serves and Supabase Storage can hold, whatever the file is called', () => {
  const extension = fc.constantFrom('mp3', 'wav', 'm4a');
  fc.assert(
    fc.property(fc.uuid(), fc.string({ unit: 'binary', maxLength: 250 }), extension, (user, name, ending) => {
      const key = mintUploadKey(user, `${name}.${ending}`, ending);
      expect([whyUnservable(key), refusedByStorage(key)]).toEqual([null, null]);
    }),
    { numRuns: 1000 },
  );
});
