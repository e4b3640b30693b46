import { Link } from "@tanstack/react-router";

/** In the place of pages that the static build does not have. */
export function NeedsServer() {
  return (
    <div className="page">
      <h1>This page needs a Corral server</h1>
      <p className="hint">
        Here the app runs from plain files, with models that answer inside this browser. The pages about engines,
        providers and logs come with a server.
      </p>
      <Link to="/">Start a new chat</Link>
    </div>
  );
}
