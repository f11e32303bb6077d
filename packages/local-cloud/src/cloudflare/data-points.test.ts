import { describe, expect, it } from 'vitest';
import { openDataPoints } from './data-points.ts';

describe('data points', () => {
  it('are summed, grouped and ranked in the dialect of the vendor', () => {
    const points = openDataPoints();
    for (let value = 1; value <= 100; value++)
      points.write('media', {
        indexes: ['x'],
        blobs: ['request', value % 2 === 0 ? 'r2' : 'legacy'],
        doubles: [value],
      });
    const { rows } = points.query(
      `SELECT blob2 AS source, SUM(_sample_interval) AS n, quantileExactWeighted(0.9)(double1, _sample_interval) AS p90
       FROM media WHERE blob1 = 'request' AND timestamp > toDateTime(1000) GROUP BY source ORDER BY source FORMAT JSON`,
    );
    expect(rows).toEqual([
      { source: 'legacy', n: 50, p90: 89 },
      { source: 'r2', n: 50, p90: 90 },
    ]);
    points.close();
  });

  it('of a dataset that nobody wrote to are none', () => {
    const points = openDataPoints();
    expect(points.query('SELECT COUNT() AS n FROM unwritten').rows).toEqual([{ n: 0 }]);
    points.close();
  });

  it('can be read and not changed', () => {
    const points = openDataPoints();
    expect(() => points.query('DROP TABLE media')).toThrow('only one SELECT');
    expect(() => points.query('SELECT 1; DELETE FROM media')).toThrow('only one SELECT');
    points.close();
  });
});
