/** Guards of agents' tools: `remit-agents/ai`, `/langchain`, `/openai` and `/mcp` are for the frameworks; this is what they share. */
export type { ProofFunction } from 'remit-client';
export { withSubject, type RequestBinding } from './request-binding.js';
export type { ToolClient, ToolEvent, ToolGuardOptions } from './guard-options.js';
export type { ToolArguments, ToolQuestion, ToolQuestions } from './tool-question.js';
export { isToolRefusal, type RefusalCode, type ToolRefusal } from './tool-refusal.js';
export type { ApprovalStore, WaitingApproval } from './waiting-approvals.js';
