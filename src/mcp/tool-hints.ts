/**
 * A tool's annotations as attributes that policies read. They are hints of the server about itself: a hint that is absent,
 * or is anything but true or false, counts as the worst, as the specification says.
 */
import type { JsonMembers } from './tool-definition.js';

export interface ToolHints {
  readonly read_only: boolean;
  /** Whether it may destroy something, rather than only add to it. */
  readonly destructive: boolean;
  /** Whether calling it again with the same arguments changes nothing more. */
  readonly idempotent: boolean;
  /** Whether it reaches things beyond the server's own. */
  readonly open_world: boolean;
}

export function readToolHints(annotations: JsonMembers): ToolHints {
  const readOnly = annotations['readOnlyHint'] === true;
  return {
    read_only: readOnly,
    destructive: !readOnly && annotations['destructiveHint'] !== false,
    idempotent: readOnly || annotations['idempotentHint'] === true,
    open_world: annotations['openWorldHint'] !== false,
  };
}

/** The effect of a call on what is behind the tool: `@effect` of its action. */
export function effectOfTool({ read_only, destructive }: ToolHints): 'read' | 'write' | 'delete' {
  if (read_only) return 'read';
  return destructive ? 'delete' : 'write';
}
