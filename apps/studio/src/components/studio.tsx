import { useCallback, useEffect, useMemo, useState } from 'react';
import { createMediaApi, type MediaItem, type Session } from '../media-api.ts';
import { StudioError } from '../studio-error.ts';
import { needsSignIn } from '../messages.ts';
import type { StudioConfig } from '../studio-config.ts';
import { usePlayer } from '../use-player.ts';
import type { DeckTrack } from '../deck-payload.ts';
import { Decks, type DeckName, type LoadedDecks } from './decks.tsx';
import { MediaList } from './media-list.tsx';
import { UploadBox } from './upload-box.tsx';

export function Studio({
  config,
  session,
  onSignOut,
}: {
  config: StudioConfig;
  session: Session;
  onSignOut: (notice: string | null) => void;
}) {
  const api = useMemo(() => createMediaApi(config, session), [config, session]);
  const [library, setLibrary] = useState<readonly MediaItem[] | null>(null);
  const [uploads, setUploads] = useState<readonly MediaItem[] | null>(null);
  const [message, setMessage] = useState<string | null>(null);
  const [decks, setDecks] = useState<LoadedDecks>({ A: null, B: null });
  const load = useCallback(
    (deck: DeckName, track: DeckTrack) => setDecks((before) => ({ ...before, [deck]: track })),
    [],
  );

  const onError = useCallback(
    (error: unknown) => {
      if (error instanceof StudioError && needsSignIn(error.code)) onSignOut(error.message);
      else setMessage(error instanceof Error ? error.message : 'Something went wrong.');
    },
    [onSignOut],
  );
  const refreshUploads = useCallback(() => {
    api.uploads().then(setUploads, onError);
  }, [api, onError]);
  useEffect(() => {
    api.library().then(setLibrary, onError);
    refreshUploads();
  }, [api, onError, refreshUploads]);
  const player = usePlayer(api, onError);

  return (
    <>
      <header>
        <h1>Audafact Studio</h1>
        {config.environment !== 'production' && <span className="environment">{config.environment}</span>}
        <span className="who">{session.email}</span>
        <button type="button" onClick={() => onSignOut(null)}>
          Sign out
        </button>
      </header>
      <p role="alert" className="message">
        {message}
      </p>
      <Decks loaded={decks} onLoad={load} player={player} />
      <main>
        <div>
          <UploadBox api={api} user={session.email} onUploaded={refreshUploads} onError={onError} />
          <MediaList
            title="Your uploads"
            items={uploads}
            empty="Nothing here yet. Add your first track above."
            player={player}
            onLoad={load}
          />
        </div>
        <MediaList title="Library" items={library} empty="The library is empty." player={player} onLoad={load} />
      </main>
    </>
  );
}
