/**
 * A listing, entry by entry. One that comes in pages can be walked by them: an await for each of a million entries
 * costs more than all that is done with them.
 */
export interface Listing<Entry> extends AsyncIterable<Entry> {
  pages?(): AsyncIterable<readonly Entry[]>;
}

/** A listing out of its pages; each walk calls `pages` anew. */
export function listingOf<Entry>(pages: () => AsyncIterable<readonly Entry[]>): Listing<Entry> {
  return {
    pages,
    async *[Symbol.asyncIterator]() {
      for await (const page of pages()) yield* page;
    },
  };
}

/** The pages of a listing, each of a single entry where it has none. */
export function pagesOf<Entry>(listing: Listing<Entry>): AsyncIterable<readonly Entry[]> {
  return listing.pages?.() ?? onePageEach(listing);
}

async function* onePageEach<Entry>(listing: AsyncIterable<Entry>): AsyncGenerator<readonly Entry[]> {
  for await (const entry of listing) yield [entry];
}
