// The bar above GraphiQL: who is signed in, or how to sign in.
import { type FormEvent, useState } from "react";
import { type Session, signIn, token } from "./service";

type Props = { session: Session; onChange: (session: Session) => void; notice: string | null };

export function SignInBar({ session, onChange, notice }: Props) {
  const [typed, setTyped] = useState("");

  async function submit(event: FormEvent) {
    event.preventDefault();
    const next = await signIn(typed.trim() || null);
    if (next.name) {
      setTyped("");
    }
    onChange(next);
  }

  return (
    <header>
      <h1>Downbeat</h1>
      <div role="status" className="status">
        {session.name ? (
          <span>
            Signed in as <strong>{session.name}</strong>
            {token.get() ? "" : " by the admin's session"}
          </span>
        ) : (
          <span>
            {session.fault ? <strong className="fault">{session.fault}</strong> : "Not signed in."}{" "}
            Make a token with <code>.venv/bin/python manage.py api_token you</code>, or sign in at{" "}
            <a href={`/admin/login/?next=${location.pathname}`}>/admin/</a>.
          </span>
        )}
        {notice && <span>{notice}</span>}
      </div>
      {session.name && token.get() ? (
        <button type="button" onClick={async () => onChange(await signIn(null))}>
          Forget token
        </button>
      ) : (
        <form onSubmit={submit}>
          <label htmlFor="token">API token</label>
          <input
            id="token"
            type="password"
            autoComplete="off"
            spellCheck={false}
            placeholder="dbt_..."
            value={typed}
            onChange={(event) => setTyped(event.target.value)}
          />
          <button type="submit">Sign in</button>
        </form>
      )}
    </header>
  );
}
