import { DatabaseSync } from 'node:sqlite';

/** What a Worker writes to Analytics Engine. */
export interface DataPoint {
  readonly indexes?: readonly string[];
  readonly blobs?: readonly (string | null)[];
  readonly doubles?: readonly number[];
}

export interface DataPoints {
  write(dataset: string, point: DataPoint): void;
  /** Rows of a SELECT in the vendor's dialect. Throws an Error with the database's words when it cannot be read. */
  query(sql: string): { columns: readonly string[]; rows: readonly Record<string, unknown>[] };
  close(): void;
}

interface Weighted {
  readonly quantile: number;
  readonly values: [number, number][];
}

const COLUMNS = 20;
const blobs = Array.from({ length: COLUMNS }, (_, index) => `blob${index + 1}`);
const doubles = Array.from({ length: COLUMNS }, (_, index) => `double${index + 1}`);
const DATASET = /^[A-Za-z_][A-Za-z0-9_]{0,63}$/;

/**
 * Analytics Engine's tables in SQLite, in memory: columns `timestamp`, `_sample_interval`, `index1`, `blob1`…`blob20`,
 * `double1`…`double20`, as the vendor has them. Of ClickHouse's dialect it knows `toDateTime`, `now`,
 * `quantileExactWeighted(q)(value, weight)` and a closing `FORMAT JSON`; the rest is what both dialects share.
 */
export function openDataPoints(): DataPoints {
  const database = new DatabaseSync(':memory:');
  database.function('toDateTime', (seconds) => Number(seconds));
  database.function('now', () => Math.floor(Date.now() / 1000));
  const quantileWeighted = {
    start: (): Weighted => ({ quantile: 0, values: [] }),
    step: (state: Weighted, value: unknown, weight: unknown, quantile: unknown): Weighted => {
      state.values.push([Number(value), Number(weight)]);
      return { quantile: Number(quantile), values: state.values };
    },
    result: ({ quantile, values }: Weighted) => quantileOf(values, quantile),
  };
  // Node's types allow text and numbers only as an aggregate's state; any value is kept between steps.
  database.aggregate('quantileWeighted', quantileWeighted as never);
  const known = new Set<string>();
  const table = (dataset: string): void => {
    if (known.has(dataset)) return;
    if (!DATASET.test(dataset)) throw new Error(`"${dataset}" is no name of a dataset`);
    const columns = [...blobs.map((name) => `${name} text`), ...doubles.map((name) => `${name} real`)].join(', ');
    database.exec(
      `create table "${dataset}" (timestamp integer, _sample_interval real, index1 text, ${columns}); create index "${dataset}_time" on "${dataset}" (timestamp)`,
    );
    known.add(dataset);
  };
  return {
    write(dataset, point) {
      table(dataset);
      const names = ['timestamp', '_sample_interval', 'index1', ...blobs, ...doubles];
      const values = [
        Math.floor(Date.now() / 1000),
        1,
        point.indexes?.[0] ?? '',
        ...blobs.map((_, index) => point.blobs?.[index] ?? ''),
        ...doubles.map((_, index) => point.doubles?.[index] ?? 0),
      ];
      database
        .prepare(`insert into "${dataset}" (${names.join(', ')}) values (${names.map(() => '?').join(', ')})`)
        .run(...values);
    },
    query(sql) {
      const select = sql.trim().replace(/;?\s*FORMAT\s+JSON\s*;?$/i, '');
      if (!/^select\b/i.test(select) || select.includes(';')) throw new Error('only one SELECT is understood');
      const dataset = /\bfrom\s+["'`]?([A-Za-z0-9_]+)/i.exec(select)?.[1];
      // A dataset exists from its first point on; asking before that finds nothing.
      if (dataset !== undefined) table(dataset);
      const statement = database.prepare(
        select.replaceAll(
          /quantileExactWeighted\(([\d.]+)\)\(([^,()]+),([^()]+)\)/gi,
          (_, quantile: string, value: string, weight: string) => `quantileWeighted(${value}, ${weight}, ${quantile})`,
        ),
      );
      return {
        columns: statement.columns().map((column) => column.name),
        rows: statement.all().map((row) => ({ ...row })),
      };
    },
    close: () => database.close(),
  };
}

function quantileOf(values: [number, number][], quantile: number): number | null {
  const sorted = values.toSorted((a, b) => a[0] - b[0]);
  const wanted = sorted.reduce((sum, [, weight]) => sum + weight, 0) * quantile;
  let seen = 0;
  for (const [value, weight] of sorted) {
    seen += weight;
    if (seen >= wanted) return value;
  }
  return null;
}
