export async function statusCommand(_flags: unknown): Promise<number> {
  return 2;
}
