export function findChromium(options?: { install?: boolean; say?: (line: string) => void }): string | null;
export const HOW_TO_GET_CHROMIUM: string;
