/** The questions of an access request as rows of SQL, by what tells them from others. */
import { v4 as uuid } from 'uuid';
import type { ApprovalBinding } from '../model/approvals.js';
import type { EntityRef } from '../model/ids.js';
import { formatCanonicalJson } from '../runtime/canonical-json.js';
import { sha256 } from '../runtime/sha256.js';
import type { AskedTask } from './stored-task.js';

/** A question that is asked for, as it opens a task. */
export interface TaskOpening {
  readonly user?: EntityRef | undefined;
  readonly agent?: EntityRef | undefined;
  readonly task: AskedTask;
  /** Set where it opens one for a class of questions. */
  readonly ofClass?:
    | {
        /** The part of the binding that says who asks: by which question of the class is no matter. */
        readonly askers: ApprovalBinding;
        /** Whether a person has said no to a part of the class lately. */
        readonly isRefused: boolean;
        /** The marks of the classes by which that was told: it has to be told anew where there are others. */
        readonly known: readonly string[];
      }
    | undefined;
}

/** The questions that are asked, as rows: `$1` of each statement that reads them. `item` is the question as it was submitted. */
export const ASKED = `jsonb_to_recordset($1::jsonb) as a (n int, id uuid, user_type text, user_id text, agent_type text,
  agent_id text, question text, asked text, refused bool,
  known jsonb, task jsonb, item jsonb)`;
/** The questions with the tasks that wait for them. */
export const ASKED_TASKS = `${ASKED} join approval_tasks t on t.state = 'pending' and t.asked_sha256 = a.asked`;
/** Whether a task for the same waits. */
export const HAS_OPEN_TASK = `exists (select from approval_tasks o where o.state = 'pending' and o.asked_sha256 = a.asked)`;
/** Whether a person has said no to the same since `$2`. */
export const WAS_DENIED = `(a.refused or exists (select from approval_tasks d where d.state = 'denied'
  and d.question_sha256 = a.question and d.decided > $2::timestamptz))`;
/** Tasks of a pair: those of the row `f`. */
export const OF_SAME_PAIR = `o.user_type = f.user_type and o.user_id = f.user_id and o.agent_type = f.agent_type and o.agent_id = f.agent_id`;

/** @param items of a request for several questions at once: each as it was submitted */
export function formatAsked(
  openings: readonly TaskOpening[],
  requester: string,
  items: readonly object[] | undefined,
): string {
  return JSON.stringify(
    openings.map((opening, n) => ({ n, ...describeOpening(opening, requester), item: items?.[n] })),
  );
}

function describeOpening({ user, agent, task, ofClass }: TaskOpening, requester: string): object {
  return {
    id: uuid(),
    user_type: user?.type ?? '',
    user_id: user?.id ?? '',
    agent_type: agent?.type ?? '',
    agent_id: agent?.id ?? '',
    question: task.question_sha256 ?? hashBoundQuestion(task),
    asked: sha256(
      JSON.stringify([
        requester,
        hashBinding(ofClass === undefined ? task.binding : ofClass.askers),
        task.steps,
        task.emergency ?? null,
        // Another end is another request: an approval is good for no longer than each that it answers asks for.
        task.requested_until ?? null,
        ...(task.details === undefined ? [] : [formatCanonicalJson(task.details)]),
      ]),
    ),
    refused: ofClass?.isRefused ?? false,
    known: ofClass?.known,
    task,
  };
}

function hashBinding(binding: ApprovalBinding): string {
  return sha256(JSON.stringify(Object.entries(binding).sort()));
}

/** The places that don't tell one question from another: they say by whom, and by which way, it is asked. */
const ASKING_PLACES = ['client', 'issuer', 'chain'];

/** Tells the question by all that is bound of it, where the denial's record doesn't say what of it decides. */
function hashBoundQuestion({ binding }: AskedTask): string {
  const stated = Object.entries(binding).filter(([place]) => !ASKING_PLACES.includes(place));
  return sha256(JSON.stringify(stated.sort()));
}
