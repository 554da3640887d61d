namespace Pascl.Training.Evaluation;

/// <summary>A kind of JSON file that an evaluation leaves, and how one is told from other files.</summary>
/// <param name="Name">What messages call it.</param>
/// <param name="Description">The same with its article.</param>
/// <param name="Mark">A property that every such file has.</param>
/// <param name="WithoutMark">What is said of a file without it.</param>
/// <param name="Layout">The layout that this program writes and reads.</param>
internal sealed record ReportFileKind(string Name, string Description, string Mark, string WithoutMark, int Layout);
