import js from '@eslint/js';
import tseslint from 'typescript-eslint';

export default tseslint.config(
  { ignores: ['dist/', '.local/', 'coverage/', '**/*.cjs', 'eslint.config.mjs', 'test/client/'] },
  js.configs.recommended,
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        project: ['tsconfig.json', 'tools/tsconfig.json'],
        tsconfigRootDir: import.meta.dirname,
      },
    },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      '@typescript-eslint/no-extraneous-class': ['error', { allowWithDecorator: true }],
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      'no-restricted-properties': [
        'error',
        { object: 'process', property: 'env', message: 'Only src/config reads the environment.' },
      ],
      // DTOs are shapes of JSON; nobody asks for their prototype.
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
      eqeqeq: 'error',
      'no-console': 'error',
    },
  },
  {
    // The environment is read here, and by the programs around the server.
    files: ['src/config/**', 'tools/**', 'bench/**', 'deploy/**', 'test/**'],
    rules: { 'no-restricted-properties': 'off' },
  },
  {
    // Programs that talk to a person's terminal.
    files: ['tools/**', 'bench/**', 'deploy/**', 'src/cli/**'],
    rules: { 'no-console': 'off' },
  },
  {
    files: ['src/**/*.controller.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          name: '@nestjs/common',
          importNames: ['Post', 'Put', 'Patch', 'Delete', 'All', 'RequestMapping'],
          message: 'Routes that write take them from src/idempotency/write-routes.',
        },
      ],
    },
  },
  {
    files: ['**/*.spec.ts', 'test/**'],
    rules: { '@typescript-eslint/unbound-method': 'off' },
  },
);
