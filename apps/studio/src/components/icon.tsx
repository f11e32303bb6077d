/** Drawn rather than typed: some phones make coloured pictures of the characters. */
const SHAPES = {
  play: 'M7 4.5v15L20 12z',
  stop: 'M6 6h12v12H6z',
} as const;

export function Icon({ name }: { name: keyof typeof SHAPES }) {
  return (
    <svg viewBox="0 0 24 24" width="24" height="24" aria-hidden="true" fill="currentColor">
      <path d={SHAPES[name]} />
    </svg>
  );
}
