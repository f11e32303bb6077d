import { describe, expect, it } from 'vitest';
import { restoreTime } from './restore-time.ts';
import { UserError } from './user-error.ts';

const NOW = Date.parse('2026-06-02T12:00:00Z');

describe('--to', () => {
  it.each([
    ['2026-06-01T10:00:00Z', '2026-06-01T10:00:00.000Z'],
    ['2026-06-01T10:00+02:00', '2026-06-01T08:00:00.000Z'],
    ['2026-06-01T10:00:00.123456Z', '2026-06-01T10:00:00.123Z'],
    ['2024-02-29T00:00:00-0530', '2024-02-29T05:30:00.000Z'],
  ])('takes %s', (text, expected) => {
    expect(new Date(restoreTime(text, NOW)).toISOString()).toBe(expected);
  });

  it.each([
    ['2026-06-01T10:00:00', 'which zone?'],
    ['2026-06-01', 'which zone?'],
    ['2026-06-01 10:00', 'which zone?'],
    ['yesterday', 'expected an ISO time'],
    ['1780000000', 'expected an ISO time'],
    ['', 'expected an ISO time'],
    ['2026-06-31T10:00:00Z', 'there is no such time'],
    ['2026-02-29T10:00:00Z', 'there is no such time'],
    ['2026-06-01T25:00:00Z', 'there is no such time'],
    ['2026-06-02T12:00:01Z', 'it is still to come'],
  ])('refuses %s and says why', (text, why) => {
    const refused = (): number => restoreTime(text, NOW);
    expect(refused).toThrow(UserError);
    expect(refused).toThrow(`--to ${text}: ${why}`);
  });
});
