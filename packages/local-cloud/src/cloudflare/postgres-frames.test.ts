import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { createFrameReader, serverMessage } from './postgres-frames.ts';

const message = fc.record({ type: fc.constantFrom('D', 'Z', 'C', 'X'), body: fc.uint8Array({ maxLength: 40 }) });

it('messages are told apart in whatever pieces they come', () => {
  fc.assert(
    fc.property(fc.array(message), fc.array(fc.nat(30)), (messages, cuts) => {
      const whole = Buffer.concat(messages.map(({ type, body }) => serverMessage(type, Buffer.from(body))));
      const read = createFrameReader();
      const seen: { type: number; first: number; end: number }[] = [];
      let begun = 0;
      const give = (to: number): void => {
        const from = begun;
        for (const { type, first, at } of read(whole.subarray(from, to))) seen.push({ type, first, end: from + at });
        begun = to;
      };
      for (const cut of cuts) give(Math.min(whole.length, begun + cut));
      give(whole.length);
      let end = 0;
      expect(seen).toEqual(
        messages.map(({ type, body }) => {
          end += 5 + body.length;
          return { type: type.charCodeAt(0), first: body[0] ?? -1, end };
        }),
      );
    }),
  );
});
