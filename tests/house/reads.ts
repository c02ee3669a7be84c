// What a file reads of what, from its syntax alone: `parent.name` for each property access and each destructured name. Words in strings, comments,
// types and object literals are no reads.
import ts from 'typescript'

/** `engine.lanes` of `config.engine.lanes`, of `const { lanes } = config.engine` and of `({ lanes }: Config['engine'])`; a parameter's type stands for its value. */
export function readsOf(path: string, code: string): Set<string> {
  const found = new Set<string>()
  const destructured = (pattern: ts.ObjectBindingPattern, parents: readonly string[]) => {
    for (const { propertyName, name, dotDotDotToken } of pattern.elements) {
      if (dotDotDotToken) continue
      const read = propertyName ?? name
      if (!ts.isIdentifier(read)) continue
      for (const parent of parents) found.add(`${parent}.${read.text}`)
      if (ts.isObjectBindingPattern(name)) destructured(name, [read.text])
    }
  }
  const visit = (node: ts.Node): void => {
    if (ts.isPropertyAccessExpression(node)) for (const parent of namesOf(node.expression)) found.add(`${parent}.${node.name.text}`)
    if ((ts.isVariableDeclaration(node) || ts.isParameter(node)) && ts.isObjectBindingPattern(node.name))
      destructured(node.name, [...(node.initializer ? namesOf(node.initializer) : []), ...(node.type ? typeNamesOf(node.type) : [])])
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile(path, code, ts.ScriptTarget.Latest, true))
  return found
}

/** What an expression may be, by its last name. */
function namesOf(node: ts.Expression): string[] {
  if (ts.isIdentifier(node)) return [node.text]
  if (ts.isPropertyAccessExpression(node)) return [node.name.text]
  if (ts.isNonNullExpression(node) || ts.isParenthesizedExpression(node) || ts.isAsExpression(node)) return namesOf(node.expression)
  if (ts.isConditionalExpression(node)) return [...namesOf(node.whenTrue), ...namesOf(node.whenFalse)]
  if (ts.isBinaryExpression(node)) return [...namesOf(node.left), ...namesOf(node.right)]
  if (ts.isObjectLiteralExpression(node))
    return node.properties.flatMap((one) => (ts.isSpreadAssignment(one) ? namesOf(one.expression) : []))
  return []
}

/** `Config`, `engine` of `Config['engine']`, `Config` of `Pick<Config, 'logLevel'>`. */
function typeNamesOf(type: ts.TypeNode): string[] {
  if (ts.isIndexedAccessTypeNode(type))
    return ts.isLiteralTypeNode(type.indexType) && ts.isStringLiteral(type.indexType.literal) ? [type.indexType.literal.text] : []
  if (ts.isTypeReferenceNode(type)) {
    if (ts.isIdentifier(type.typeName) && ['Pick', 'Readonly', 'Omit', 'Partial'].includes(type.typeName.text))
      return type.typeArguments ? typeNamesOf(type.typeArguments[0]!) : []
    return ts.isIdentifier(type.typeName) ? [type.typeName.text] : []
  }
  return ts.isIntersectionTypeNode(type) || ts.isUnionTypeNode(type) ? type.types.flatMap(typeNamesOf) : []
}
