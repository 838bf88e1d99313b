// The server's events, for as long as a page is open; a lost connection is said, and tried again.

const RETRY = 3000;
const SILENT = 20000;

// Calls `handlers[event]` with the data of each event, and `state(connected)` when the connection comes or goes.
// Returns what ends it.
export function follow(query, handlers, state) {
  let source = null;
  let timer = null;

  function open() {
    source = new EventSource(`/ui/api/events${query}`);
    for (const [event, handle] of Object.entries(handlers)) {
      source.addEventListener(event, (message) => {
        heard();
        handle(JSON.parse(message.data));
      });
    }
    source.addEventListener("error", again);
    heard();
  }

  function heard() {
    clearTimeout(timer);
    timer = setTimeout(again, SILENT);
  }

  function again() {
    state(false);
    source.close();
    clearTimeout(timer);
    timer = setTimeout(open, RETRY);
  }

  open();
  return () => {
    clearTimeout(timer);
    source.close();
  };
}
