// Biome formats and lints everything. ESLint is here for the two rules that need types: a promise nobody waits for is an error nobody sees.
import tseslint from 'typescript-eslint'

export default [
  { ignores: ['node_modules/', 'dist/', '.cache/', 'model/assembly/'] },
  {
    files: ['**/*.ts'],
    plugins: { '@typescript-eslint': tseslint.plugin },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    languageOptions: { parser: tseslint.parser, parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: { '@typescript-eslint/no-floating-promises': 'error', '@typescript-eslint/no-misused-promises': 'error' },
  },
]
