import { useCallback, useEffect, useState } from 'react';
import { needsSignIn } from '../messages.ts';
import { asStudioError } from '../studio-error.ts';
import type { DeckTrack } from '../deck-payload.ts';
import { useListing } from '../use-listing.ts';
import { usePlayer } from '../use-player.ts';
import type { Visit } from '../visit.ts';
import { Decks, type DeckName, type LoadedDecks } from './decks.tsx';
import { MediaList } from './media-list.tsx';
import { UploadBox } from './upload-box.tsx';

export function Studio({
  environment,
  visit: { api, email, queue },
  onSignInNeeded,
  onSignOut,
}: {
  environment: string;
  visit: Visit;
  onSignInNeeded: (notice: string) => void;
  onSignOut: () => void;
}) {
  const [message, setMessage] = useState<string | null>(null);
  const [decks, setDecks] = useState<LoadedDecks>({ A: null, B: null });
  const load = useCallback(
    (deck: DeckName, track: DeckTrack) => setDecks((before) => ({ ...before, [deck]: track })),
    [],
  );
  const onError = useCallback(
    (thrown: unknown) => {
      const error = asStudioError(thrown);
      if (needsSignIn(error.code)) onSignInNeeded(error.message);
      else setMessage(error.message);
    },
    [onSignInNeeded],
  );
  const library = useListing(api.library, onError);
  const uploads = useListing(api.uploads, onError);
  const player = usePlayer(api, onError);
  useEffect(() => {
    // Who presses play has read what was said before.
    if (player.playing !== null) setMessage(null);
  }, [player.playing]);

  return (
    <>
      <header>
        <h1>Audafact Studio</h1>
        {environment !== 'production' && <span className="environment">{environment}</span>}
        <span className="who">{email}</span>
        <button type="button" onClick={onSignOut}>
          Sign out
        </button>
      </header>
      <Decks loaded={decks} onLoad={load} player={player} />
      <main>
        <div>
          <UploadBox queue={queue} onUploaded={uploads.reload} />
          <MediaList
            title="Your uploads"
            listing={uploads}
            empty="Nothing here yet. Add your first track above."
            player={player}
            onLoad={load}
          />
        </div>
        <MediaList title="Library" listing={library} empty="The library is empty." player={player} onLoad={load} />
      </main>
      {/* Over the page rather than in it: what it says must not move what is being pressed. */}
      <div role="alert" className="toast">
        {message !== null && (
          <>
            <p>{message}</p>
            <button type="button" onClick={() => setMessage(null)}>
              Close
            </button>
          </>
        )}
      </div>
    </>
  );
}
