import { describe, expect, it } from 'vitest';
import { assert, integer, nat, property } from 'fast-check';
import { queueing, seeded, simulate, throttling, type SimulatedServer } from './fixtures/simulated-copy.ts';

const SECOND = 1000;

describe('without a setting, as many requests are on their way as serve best', () => {
  it('where each answer takes its time and none waits for another, places double until there are 256', () => {
    const { placesBetween, done } = simulate({ server: () => ({ takes: 150 }), untilMs: 5 * SECOND });
    expect(placesBetween(1.5 * SECOND, 2.5 * SECOND)).toBe(256);
    // 16 at once would have done 530, 256 from the beginning 8,500.
    expect(done).toBeGreaterThan(6000);
  });

  it.each([1, 2, 3, 4, 5])('where latencies are drawn between 10 and 600 ms as well (seed %i)', (seed) => {
    const random = seeded(seed * 7919);
    for (let warm = 0; warm < 9; warm++) random();
    const server: SimulatedServer = () => ({ takes: 10 + 590 * random() });
    const { placesBetween } = simulate({ server, untilMs: 10 * SECOND });
    expect(placesBetween(4 * SECOND, 10 * SECOND)).toBeGreaterThan(200);
  });

  it('a server on the same machine, which answers after a millisecond and is full soon, gets few', () => {
    const { placesBetween, rateBetween } = simulate({ server: queueing(1, 5000), untilMs: 10 * SECOND });
    expect(placesBetween(2 * SECOND, 10 * SECOND)).toBeLessThan(16);
    expect(Math.max(...placesOf(queueing(1, 5000)))).toBeLessThanOrEqual(32);
    expect(rateBetween(2 * SECOND, 10 * SECOND)).toBeGreaterThan(4750);
  });

  it.each([
    [20, 1000],
    [150, 200],
    [5, 3000],
    [400, 100],
  ])(
    'a server of %i ms that bears %i answers a second gives nearly all of them, and no long queue',
    (ms, perSecond) => {
      const random = seeded(11);
      const calm = queueing(ms, perSecond);
      const server: SimulatedServer = (request) => ({ takes: calm(request).takes * (0.75 + random() / 2) });
      const { rateBetween, placesBetween } = simulate({ server, untilMs: 30 * SECOND });
      expect(rateBetween(15 * SECOND, 30 * SECOND)).toBeGreaterThan(0.8 * perSecond);
      // What is on its way without a queue is latency × rate (Little's law).
      expect(placesBetween(15 * SECOND, 30 * SECOND)).toBeLessThan(Math.max(16, (3 * ms * perSecond) / SECOND));
    },
  );

  it('large objects are measured by their bytes: mixed with small ones they look like no slower server', () => {
    const random = seeded(3);
    const MIB = 1024 * 1024;
    let bytes = 0;
    const server: SimulatedServer = () => {
      bytes = random() < 0.1 ? 16 * MIB : 4096;
      return { takes: 100 + (bytes / MIB) * 50 };
    };
    const { placesBetween } = simulate({ server, untilMs: 20 * SECOND, bytes: () => bytes });
    expect(placesBetween(10 * SECOND, 20 * SECOND)).toBeGreaterThan(190);
  });

  it('while this process is what the others wait for, no place is added', () => {
    const { history } = simulate({ server: () => ({ takes: 100 }), untilMs: 5 * SECOND, busy: () => 0.97 });
    expect(Math.max(...history.map(({ places }) => places))).toBe(16);
  });

  it('an object that hangs takes a place, and nothing else', () => {
    const server: SimulatedServer = ({ index }) => ({ takes: index === 3 ? 3_600_000 : 150 });
    const { placesBetween } = simulate({ server, untilMs: 5 * SECOND });
    expect(placesBetween(2 * SECOND, 3 * SECOND)).toBeGreaterThan(200);
  });
});

describe('the world changes', () => {
  const swift = (): SimulatedServer => queueing(50, 100_000);

  it('for the worse: places that gain nothing any more are given back', () => {
    const [before, after] = [swift(), queueing(50, 100)];
    const server: SimulatedServer = (request) => (request.now < 5 * SECOND ? before : after)(request);
    const { placesBetween, rateBetween } = simulate({ server, untilMs: 60 * SECOND });
    expect(placesBetween(3 * SECOND, 5 * SECOND)).toBeGreaterThan(200);
    expect(placesBetween(50 * SECOND, 60 * SECOND)).toBeLessThan(20);
    expect(rateBetween(50 * SECOND, 60 * SECOND)).toBeGreaterThan(85);
  });

  it('for the better: it is tried again, and found', () => {
    const [before, after] = [queueing(50, 100), swift()];
    const server: SimulatedServer = (request) => (request.now < 20 * SECOND ? before : after)(request);
    const { placesBetween } = simulate({ server, untilMs: 40 * SECOND });
    expect(placesBetween(15 * SECOND, 20 * SECOND)).toBeLessThan(20);
    expect(placesBetween(30 * SECOND, 40 * SECOND)).toBeGreaterThan(200);
  });

  it('memory gets short: places that nobody can take are none, and come back with it', () => {
    const available = (now: number): number => (now > 5 * SECOND && now < 12 * SECOND ? 5 : Infinity);
    const { placesBetween } = simulate({ server: () => ({ takes: 100 }), untilMs: 20 * SECOND, available });
    expect(placesBetween(9 * SECOND, 12 * SECOND)).toBeLessThan(8);
    expect(placesBetween(16 * SECOND, 20 * SECOND)).toBeGreaterThan(200);
  });
});

describe('a server that refuses', () => {
  it('halves the places, a flock of refusals once', () => {
    const { pace } = simulate({ server: () => ({ takes: 150 }), untilMs: 3 * SECOND });
    for (let index = 0; index < 5; index++) pace.refused();
    expect([pace.places, pace.fewest]).toEqual([128, 128]);
  });

  it.each([
    ['after a moment', () => 150],
    ['after the second that Retry-After names', () => 1000],
  ])('and is asked again %s gives most of what it allows, with few places', (_name, refusedFor) => {
    const server = throttling(() => ({ takes: 100 }), 200, refusedFor);
    const { rateBetween, placesBetween } = simulate({ server, untilMs: 30 * SECOND });
    expect(rateBetween(5 * SECOND, 30 * SECOND)).toBeGreaterThan(130);
    expect(placesBetween(5 * SECOND, 30 * SECOND)).toBeLessThan(64);
  });
});

describe('a number', () => {
  it('is a ceiling, whatever the server does', () => {
    assert(
      property(
        integer({ min: 1, max: 64 }),
        integer({ min: 1, max: 500 }),
        integer({ min: 1, max: 1000 }),
        nat(),
        (concurrency, ms, perSecond, seed) => {
          const random = seeded(seed);
          const calm = queueing(ms, perSecond);
          const server: SimulatedServer = (request) =>
            random() < 0.01 ? { takes: 1, refusedFor: 100 } : calm(request);
          const { history } = simulate({ server, concurrency, untilMs: 10 * SECOND });
          return history.every(({ places }) => places >= 1 && places <= concurrency);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('of one is one at a time', () => {
    expect(simulate({ server: () => ({ takes: 10 }), concurrency: 1, untilMs: 5 * SECOND }).done).toBe(500);
  });
});

const placesOf = (server: SimulatedServer): number[] =>
  simulate({ server, untilMs: 10 * SECOND }).history.map(({ places }) => places);
