import { StrictMode, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { SignIn } from './components/sign-in.tsx';
import { Studio } from './components/studio.tsx';
import type { Session } from './media-api.ts';
import { loadStudioConfig, type StudioConfig } from './studio-config.ts';
import { watchVitals } from './vitals.ts';
import './studio.css';

function App({ config }: { config: StudioConfig }) {
  const [session, setSession] = useState<Session | null>(null);
  const [notice, setNotice] = useState<string | null>(null);
  if (session === null) return <SignIn config={config} notice={notice} onSession={setSession} />;
  return (
    <Studio
      config={config}
      session={session}
      onSignOut={(reason) => {
        setNotice(reason);
        setSession(null);
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
