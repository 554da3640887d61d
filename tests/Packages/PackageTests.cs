namespace Pascl.Tests.Packages;

/// <summary>The programs that the documentation shows, in a fresh project over the packages of <c>dotnet pack</c>.</summary>
[NonParallelizable]
public sealed class PackageTests
{
    [Test]
    public void the_sample_of_the_kernels_runs_over_their_package()
    {
        using var project = new FreshProject();
        project.Pack("Kernels");
        Assert.That(project.Run("Pascl.Kernels", Sample(Path.Combine("src", "Kernels", "README.md"))), Is.EqualTo("2 1.2 0 0 1.6 2\n"));
    }

    [Test]
    public void the_sample_of_training_runs_over_its_package()
    {
        using var project = new FreshProject();
        project.Pack("Kernels");
        project.Pack("Training");
        Assert.That(project.Run("Pascl.Training", Sample("README.md")), Does.Match(@"^loss \d+\.\d+, gradient of \[14, 128\]\n$"));
    }

    // The first program in C# on a page.
    private static string Sample(string page)
    {
        const string Begin = "```csharp\n";
        var text = File.ReadAllText(Path.Combine(Repository.Root, page));
        var start = text.IndexOf(Begin, StringComparison.Ordinal) + Begin.Length;
        return text[start..text.IndexOf("```", start, StringComparison.Ordinal)];
    }
}
