namespace Pascl.Training.Cli;

/// <summary>The files of an import.</summary>
/// <param name="Main">The first phase's file, or one with both branches.</param>
/// <param name="Auxiliary">The finetuned file; null where there is none.</param>
/// <param name="Classifier">The classifier of the finetuned file; null for the only one.</param>
internal sealed record ImportedPaths(string Main, string? Auxiliary, string? Classifier);
