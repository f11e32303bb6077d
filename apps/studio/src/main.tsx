import { StrictMode, useCallback, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { SignIn } from './components/sign-in.tsx';
import { Studio } from './components/studio.tsx';
import type { Session } from './media-api.ts';
import { loadStudioConfig, type StudioConfig } from './studio-config.ts';
import { useNetwork } from './use-uploads.ts';
import { openVisit, type Visit } from './visit.ts';
import { watchVitals } from './vitals.ts';
import './studio.css';
import './media.css';
import './uploads.css';

function App({ config }: { config: StudioConfig }) {
  const [visit, setVisit] = useState<Visit | null>(null);
  const [signedIn, setSignedIn] = useState(false);
  const [notice, setNotice] = useState<string | null>(null);
  useNetwork(visit?.queue ?? null);

  /** Back to the sign-in, with the visit and its uploads kept for the same person. */
  const askAgain = useCallback((reason: string) => {
    setNotice(reason);
    setSignedIn(false);
  }, []);
  const holdAndAsk = useCallback(
    (reason: string) => {
      visit?.queue.setObstacle('sign-in', true);
      askAgain(reason);
    },
    [askAgain, visit],
  );
  function enter(session: Session): void {
    if (visit?.email === session.email) visit.renew(session);
    else {
      visit?.queue.close();
      setVisit(openVisit(config, session, askAgain));
    }
    setNotice(null);
    setSignedIn(true);
  }

  if (visit === null || !signedIn) {
    const held = visit?.queue.uploads().list.filter(({ state }) => state === 'held') ?? [];
    return (
      <SignIn config={config} notice={notice} email={visit?.email ?? ''} waiting={held.length} onSession={enter} />
    );
  }
  return (
    <Studio
      environment={config.environment}
      visit={visit}
      onSignInNeeded={holdAndAsk}
      onSignOut={() => {
        visit.queue.close();
        setVisit(null);
        setNotice(null);
        setSignedIn(false);
      }}
    />
  );
}

const root = document.getElementById('root');
if (root === null) throw new Error('the page has no root');
loadStudioConfig().then(
  (config) => {
    watchVitals(config.workerEndpoint);
    createRoot(root).render(
      <StrictMode>
        <App config={config} />
      </StrictMode>,
    );
  },
  () => {
    root.textContent = 'The studio cannot be loaded right now. Please try again in a moment.';
  },
);
