import { describe, expect, it } from 'vitest';
import { carriesTrack, readTrack } from './deck-payload.ts';

const dropped = (data: string) => ({
  getData: (type: string) => (type === 'application/x-audafact-track' ? data : ''),
});

describe('a track on its way to a deck', () => {
  it('carries its key and its title', () => {
    const track = { fileKey: 'library/originals/a.wav', title: 'A' };
    expect(readTrack(dropped(JSON.stringify(track)))).toEqual(track);
  });

  it.each([
    '',
    'https://example.com/a.wav',
    '{"fileUrl":"https://old.example/a.wav"}',
    '{"fileKey":1,"title":"x"}',
    'null',
  ])('is not seen in %j', (data) => {
    expect(readTrack(dropped(data))).toBeNull();
  });

  it('is told from a file by its type, while it is still dragged', () => {
    expect(carriesTrack({ types: ['application/x-audafact-track'] })).toBe(true);
    expect(carriesTrack({ types: ['Files'] })).toBe(false);
  });
});
