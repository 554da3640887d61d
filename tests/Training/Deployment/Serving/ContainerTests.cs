using System.Text.RegularExpressions;

namespace Pascl.Tests.Training.Deployment.Serving;

/// <summary>The recipe of the container, without building one.</summary>
public sealed partial class ContainerTests
{
    private static readonly string recipe = File.ReadAllText(Path.Combine(Repository.Root, "Dockerfile"));

    [Test]
    public void what_is_copied_exists_and_what_the_projects_name_is_copied()
    {
        string[] copied = [.. Copies().Matches(recipe).Where(copy => !copy.Value.Contains("--from", StringComparison.Ordinal))
            .SelectMany(copy => copy.Groups[1].Value.Split(' ')[..^1])];
        Assert.That(copied, Is.All.Matches<string>(path => Path.Exists(Path.Combine(Repository.Root, path))));
        string[] projects = [.. Directory.GetFiles(Repository.Root, "Directory.*"), .. copied.Where(path => path.StartsWith("src/", StringComparison.Ordinal))
            .SelectMany(path => Directory.GetFiles(Path.Combine(Repository.Root, path), "*.csproj"))];
        var named = projects.SelectMany(project => NamedFiles().Matches(File.ReadAllText(project))).Select(match => match.Groups[1].Value);
        Assert.That(named.Select(file => file.Split('/')[0]).Distinct(), Is.SubsetOf(copied));
    }

    [Test]
    public void it_does_not_run_as_root_listens_on_every_address_and_asks_for_its_health()
    {
        Assert.That(recipe, Does.Match(@"\nUSER \$APP_UID\n").And.Match(@"\nHEALTHCHECK .*/healthz HTTP/1\.0"));
        Assert.That(recipe, Does.Contain("\"--urls\", \"http://0.0.0.0:8080\"").And.Contain("EXPOSE 8080"));
    }

    // The SDK leaves private packages out of what it publishes, and serve ended for want of a library there.
    [Test]
    public void what_serving_needs_is_published()
    {
        var project = File.ReadAllText(Path.Combine(Repository.Root, "src", "Training", "Pascl.Training.csproj"));
        Assert.That(project, Does.Match("<PackageReference Include=\"prometheus-net\"[^>]* Publish=\"true\""));
    }

    [GeneratedRegex(@"^COPY (.+)$", RegexOptions.Multiline)]
    private static partial Regex Copies();

    [GeneratedRegex(@"\$\(RepositoryRoot\)([\w./]+)")]
    private static partial Regex NamedFiles();
}
