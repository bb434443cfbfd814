/* Words about users, for the table that admins see. Pure. */

/**
 * What can be done with a user, by the value of the menu, in the words of the menu.
 * @param {{active: boolean, sessions: number}} user
 */
export function deeds({ active, sessions }) {
  return [
    ["password", "Give a one-time password"],
    ...(sessions ? [["sessions", sessions === 1 ? "End the session" : `End ${sessions} sessions`]] : []),
    active ? ["deactivate", "Let in no longer"] : ["activate", "Let in again"],
    ["remove", "Remove …"],
  ];
}

/**
 * How a user is doing, in a few words.
 * @param {{active: boolean, one_time: boolean, sessions: number}} user
 */
export function standing({ active, one_time, sessions }) {
  if (!active) return "let in no longer";
  if (one_time) return "has yet to choose a password";
  return sessions ? `${sessions} ${sessions === 1 ? "session" : "sessions"} open` : "signed out";
}
