namespace Pascl.Tests;

/// <summary>A new empty folder that is deleted with everything in it when the test ends.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("pascl-tests-").FullName;

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
