import { readFile } from 'node:fs/promises';
import type { World } from '../world.ts';
import { createAudience } from './audience.ts';
import type { AudienceCall } from './process.ts';

// A process of its own, so that a busy cloud does not delay the clock that measures it.
const [file, folder] = process.argv.slice(2);
if (file === undefined || folder === undefined || process.send === undefined)
  throw new Error('started by the local cloud with the path of its world.json and a folder for what it is told');
const audience = await createAudience(JSON.parse(await readFile(file, 'utf8')) as World, folder);

async function answer({ method, load, rates }: AudienceCall): Promise<unknown> {
  switch (method) {
    case 'start':
      if (load === undefined) throw new Error('how much is the audience to ask for?');
      return audience.start(load);
    case 'stop':
      return audience.stop();
    case 'stats':
      return audience.stats();
    case 'write':
      if (rates === undefined) throw new Error('how much is to be written?');
      return audience.write(rates);
    case 'told':
      return audience.told();
  }
}

process.on('message', (call: AudienceCall) => {
  answer(call).then(
    (result) => process.send?.({ id: call.id, result: result ?? null }),
    (error: unknown) => process.send?.({ id: call.id, error: error instanceof Error ? error.message : String(error) }),
  );
});
// The cloud is gone: nobody is left to count for.
process.on('disconnect', () => process.exit(0));
process.on('SIGINT', () => {});
process.send({ ready: true });
