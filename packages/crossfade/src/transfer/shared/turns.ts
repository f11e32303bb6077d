import type { Pool } from 'pg';
import type { ObjectStore } from '../../providers/providers.ts';
import type { KeyRange } from '../key-range.ts';
import { findKeyAliases, type KeyAliases } from '../key-aliases.ts';
import { cutKeySpace, splitPoint } from '../partitions.ts';
import { prefixedStore } from '../prefixed-store.ts';
import { copyPartition, failedRange, withPatience } from './partition-task.ts';
import { openManifestPart } from './shared-manifest.ts';
import type { createThroughput } from './shared-progress.ts';
import type { KeyFilter, PartitionResult, SharedTransfer, TransferOptions, OpenedStore } from './shared-transfer.ts';
import type { StoreRoom } from './store-room.ts';
import {
  claimPartition,
  finishPartition,
  giveBack,
  notePartition,
  readTransfer,
  splitPartition,
  type TaskId,
} from './transfers.ts';
import type { Concurrency } from '../pace.ts';

/** A worker's turns at partitions: as many at once as the queue hands out. */
export interface Turns {
  /** Has a partition copied and verified, or gives it back. Answers with what became of it. */
  take(task: TaskId): Promise<'done' | 'failed' | 'given back' | 'not ours'>;
  /** Writes down how far they are, and stops those that are somebody else's by now. */
  note(): Promise<void>;
  /** Under way. */
  count(): number;
  finished(): number;
  stopAll(why: string): void;
  /** Stops them and waits until nothing of them writes any more. */
  dropAll(): Promise<void>;
  /** Takes nothing any more, and gives back what is under way. */
  leave(): Promise<void>;
  /** Fires when this machine cannot open a store: it must not take what it can do nothing with. */
  readonly broken: AbortSignal;
}

/** What is cut off from a range that turned out too large becomes so many. */
const PARTS_OF_THE_REST = 4;

interface Stores {
  readonly from: ObjectStore;
  readonly to: ObjectStore;
}

interface Turn {
  readonly task: TaskId;
  readonly stop: AbortController;
  ended: Promise<unknown>;
  claimed: boolean;
  objects: number;
  bytes: number;
}

export function createTurns(worker: {
  readonly pool: Pool;
  /** Its id. */
  readonly worker: string;
  readonly stores: StoreRoom;
  readonly throughput: ReturnType<typeof createThroughput>;
  readonly concurrency: Concurrency;
  readonly filter?: KeyFilter;
}): Turns {
  const { pool, stores } = worker;
  const underWay = new Set<Turn>();
  let leaving = false;
  let finished = 0;
  const broken = new AbortController();

  async function open(transfer: SharedTransfer): Promise<Stores> {
    try {
      const [from, to] = await Promise.all([stores.at(transfer.from, 'read'), stores.at(transfer.to, 'write')]);
      const { prefix, places } = transfer.options;
      demandPlace(transfer.from, from, places[0]);
      demandPlace(transfer.to, to, places[1]);
      return { from: prefixedStore(from, '', prefix), to: prefixedStore(to, '', prefix) };
    } catch (error) {
      broken.abort(error);
      throw error;
    }
  }

  /** The range, or its beginning when it is too large; then the rest is there for the others. `null`: not ours. */
  async function shorten(turn: Turn, range: KeyRange, from: ObjectStore, options: TransferOptions) {
    const { signal } = turn.stop;
    const most = { objects: options.mostObjects, bytes: options.mostBytes };
    const split = await withPatience(() => splitPoint(from, range, most, signal), signal);
    if (split === null) return range;
    const rest = {
      partitions: PARTS_OF_THE_REST,
      least: options.mostObjects,
      range: { ...range, after: split },
      signal,
    };
    const cut = await withPatience(() => cutKeySpace(from, rest), signal);
    const mine = { ...range, until: split };
    return (await ours(turn, splitPartition(pool, turn.task, [mine, ...cut]))) ? mine : null;
  }

  /** What the database refuses is no fault of the objects: it ends the turn, and the partition is the next one's. */
  async function ours<Answer>(turn: Turn, asked: Promise<Answer>): Promise<Answer> {
    try {
      return await asked;
    } catch (error) {
      turn.stop.abort(error);
      throw error;
    }
  }

  const aliases = new Map<string, Promise<KeyAliases>>();

  /** Keys that would be one object may lie in two ranges, so each worker looks at the whole source, once a transfer. */
  async function aliasesOf({ id, options }: SharedTransfer, stores: Stores, { stop }: Turn): Promise<KeyAliases> {
    const { signal } = stop;
    const filter = worker.filter?.(options);
    const asked = { ...stores, concurrency: worker.concurrency, ...(filter === undefined ? {} : { filter }) };
    for (;;) {
      const others = aliases.get(id);
      const looked = others ?? withPatience(() => findKeyAliases({ ...asked, signal }), signal);
      aliases.set(id, looked);
      try {
        return await looked;
      } catch (error) {
        if (aliases.get(id) === looked) aliases.delete(id);
        signal.throwIfAborted();
        // What ended with another's turn is looked for in this one.
        if (others === undefined) throw error;
      }
    }
  }

  async function copy(turn: Turn, range: KeyRange, transfer: SharedTransfer): Promise<PartitionResult | null> {
    const { from, to } = await open(transfer);
    const { options } = transfer;
    try {
      const mine = await shorten(turn, range, from, options);
      if (mine === null) return null;
      const { refuses } = await aliasesOf(transfer, { from, to }, turn);
      return await copyPartition({
        refuses,
        from,
        to,
        range: mine,
        concurrency: worker.concurrency,
        deep: options.deep,
        filter: worker.filter?.(options),
        manifest() {
          const part = openManifestPart(pool, turn.task);
          return {
            write: (one) => ours(turn, part.write(one)),
            note: (one) => ours(turn, part.note(one)),
            close: () => ours(turn, part.close()),
          };
        },
        onMoved(objects, bytes) {
          turn.objects += objects;
          turn.bytes += bytes;
          worker.throughput.moved(objects, bytes);
        },
        signal: turn.stop.signal,
      });
    } catch (error) {
      turn.stop.signal.throwIfAborted();
      return failedRange(error);
    }
  }

  async function work(turn: Turn, range: KeyRange): Promise<'done' | 'failed' | 'not ours'> {
    const transfer = await readTransfer(pool, turn.task.transfer);
    if (transfer === null) return 'not ours';
    const result = await copy(turn, range, transfer);
    // Whoever else has it by now writes its result; nobody does so twice.
    if (result === null || !(await finishPartition(pool, turn.task, result))) return 'not ours';
    finished++;
    return result.failed > 0 ? 'failed' : 'done';
  }

  async function take(turn: Turn): ReturnType<Turns['take']> {
    const { task, stop } = turn;
    if (leaving || broken.signal.aborted) {
      await giveBack(pool, task);
      return 'given back';
    }
    const range = await claimPartition(pool, task, worker.worker);
    if (range === null) return 'not ours';
    turn.claimed = true;
    try {
      return await work(turn, range);
    } catch (error) {
      // An error of the database or of this machine: the partition is nobody's fault, and the next one's turn.
      if (!stop.signal.aborted) stop.abort(error);
      await giveBack(pool, task);
      return 'given back';
    }
  }

  const stopAll = (why: string): void => {
    for (const { stop } of underWay) stop.abort(new Error(why));
  };
  const ended = (): Promise<unknown> => Promise.allSettled([...underWay].map((turn) => turn.ended));

  return {
    take(task) {
      const turn: Turn = {
        task,
        stop: new AbortController(),
        ended: Promise.resolve(),
        claimed: false,
        objects: 0,
        bytes: 0,
      };
      underWay.add(turn);
      const outcome = take(turn).finally(() => underWay.delete(turn));
      turn.ended = outcome.catch(() => {});
      return outcome;
    },
    async note() {
      for (const turn of underWay)
        if (turn.claimed && !(await notePartition(pool, turn.task, turn)) && underWay.has(turn))
          turn.stop.abort(new Error('somebody else has the partition'));
    },
    count: () => underWay.size,
    finished: () => finished,
    stopAll,
    async dropAll() {
      stopAll('the worker has to join anew');
      await ended();
    },
    async leave() {
      leaving = true;
      stopAll('the worker leaves');
      await ended();
    },
    broken: broken.signal,
  };
}

/** Two machines may know two stores by one name: a part of the keys would come from elsewhere. @throws Error */
function demandPlace(name: string, { address }: OpenedStore, begun: string | undefined): void {
  if (address === undefined || begun === undefined || address === begun) return;
  throw new Error(
    `${name} is ${address} on this machine, and ${begun} where the copy was begun: give both the same store`,
  );
}
