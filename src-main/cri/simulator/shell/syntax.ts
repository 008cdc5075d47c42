import type { parse, CommandNode, ScriptNode, SimpleCommandNode, StatementNode, WordNode } from 'just-bash';

/** The syntax tree of just-bash's parser, which does the reading of scripts; what runs them is in this folder. */
export type { CommandNode, ScriptNode, SimpleCommandNode, StatementNode, WordNode };
export type Pipeline = StatementNode['pipelines'][number];
export type WordPart = WordNode['parts'][number];
export type Redirection = SimpleCommandNode['redirections'][number];
export type Assignment = SimpleCommandNode['assignments'][number];
export type CommandOf<Type extends CommandNode['type']> = Extract<CommandNode, { type: Type }>;
export type PartOf<Type extends WordPart['type']> = Extract<WordPart, { type: Type }>;
export type FunctionDef = CommandOf<'FunctionDef'>;
export type ArithmeticExpression = PartOf<'ArithmeticExpansion'>['expression'];
export type Arithmetic = ArithmeticExpression['expression'];
export type Condition = CommandOf<'ConditionalCommand'>['expression'];
export type ParameterOperation = NonNullable<PartOf<'ParameterExpansion'>['operation']>;

type Parse = typeof parse;
let loaded: Promise<Parse> | undefined;

/** The parser, loaded when first needed: it comes with a lot else. Throws its own errors for what it cannot read. */
export function loadParser(): Promise<Parse> {
  loaded ??= import('just-bash').then((module) => module.parse);
  return loaded;
}
