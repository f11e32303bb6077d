export const NODE_FLAGS: readonly string[];
export const COMPILE_CACHE: { readonly NODE_COMPILE_CACHE: string };
