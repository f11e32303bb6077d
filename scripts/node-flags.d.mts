export const NODE_FLAGS: readonly string[];
export const NODE_ENVIRONMENT: { readonly NODE_COMPILE_CACHE: string; readonly MALLOC_ARENA_MAX: string };
