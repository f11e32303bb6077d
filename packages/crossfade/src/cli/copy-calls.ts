import type { ObjectHead, ObjectStore } from '../providers/providers.ts';
import { takesParts } from '../providers/store-abilities.ts';
import { partSizeOf } from '../transfer/copy-parts.ts';
import { pendingObjects } from '../transfer/pending.ts';
import { EXIT } from './exit-codes.ts';
import { sizeText } from './transfer-progress.ts';
import { safe } from './printable.ts';
import { showFindings } from './transfer-answer.ts';
import { refusalsOf, sideOf, type TransferSession } from './transfer-session.ts';

/** Prints the calls that a copy would make to put the objects, in order, as they are found; makes none of them. */
export async function printCopyCalls(session: TransferSession): Promise<number> {
  const { flags, options, findings, signal } = session;
  const [from, to] = [sideOf(session, 0), sideOf(session, 1)];
  const json = flags.json === true;
  const filter = options.filter ?? (() => true);
  const refuses = await refusalsOf(session);
  let [objects, bytes, calls] = [0, 0, 0];
  const out = (text: string): Promise<void> =>
    new Promise((done) => void (process.stdout.write(text) ? done() : process.stdout.once('drain', done)));
  if (json) await out('{"calls":[');
  for await (const head of pendingObjects({ from: from.store, to: to.store, filter, signal })) {
    const { key, size } = head;
    const refused = refuses(key);
    if (refused !== null) {
      await findings.add({ kind: 'failed', key, reason: refused });
      continue;
    }
    objects++;
    bytes += size;
    for (const call of to.putCalls(key, partsOf(to.store, head))) {
      await out(json ? `${calls === 0 ? '' : ','}${JSON.stringify(call)}` : `${call.method} ${safe(call.path)}\n`);
      calls++;
    }
  }
  const next = session.command.replace(' --dry-run', '');
  if (json) {
    const rest = { objects, bytes, counts: findings.counts, report: findings.file, next: [next] };
    await out(`],${JSON.stringify(rest).slice(1)}\n`);
  }
  showFindings(session.view, findings);
  session.view.say(`${calls} calls would put ${objects} objects (${sizeText(bytes)}); none was made`);
  return findings.counts.failed + findings.counts.skipped > 0 ? EXIT.failed : EXIT.done;
}

/** As the copy would cut it. */
function partsOf(store: ObjectStore, head: ObjectHead): number {
  const partSize = takesParts(store) ? partSizeOf(store, head) : null;
  return partSize === null ? 1 : Math.ceil(head.size / partSize);
}
